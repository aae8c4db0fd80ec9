import { parseIpv4 } from "../lib/ipv4.ts";

/**
 * The address that `net.listen_interface` means: an address is itself; an interface is its first address that is not a loopback
 * address, or its first one. Undefined if this machine has no such interface.
 */
export function resolveInterface(
  name: string,
  addresses: readonly { readonly interface: string; readonly address: string }[],
): string | undefined {
  if (parseIpv4(name) !== undefined) return name;
  const own = addresses.filter((entry) => entry.interface === name).map(({ address }) => address);
  return own.find((address) => !address.startsWith("127.")) ?? own[0];
}
