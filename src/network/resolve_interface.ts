import { isLoopbackAddress, parseIpv4 } from "../lib/ipv4.ts";

/**
 * Returns the address for a value of `net.listen_interface`: an address itself, or the first
 * address of an interface, if possible not a loopback one. Undefined if this machine has no such
 * interface. `addresses` reads those of this machine; an address does not need it.
 */
export function resolveInterface(
  name: string,
  addresses: () => readonly { readonly interface: string; readonly address: string }[],
): string | undefined {
  if (parseIpv4(name) !== undefined) return name;
  const own = addresses().filter((entry) => entry.interface === name).map(({ address }) => address);
  return own.find((address) => !isLoopbackAddress(address)) ?? own[0];
}
