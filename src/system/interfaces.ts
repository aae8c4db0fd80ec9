/** An address of this machine, IPv4 or IPv6, with its interface. */
export interface InterfaceAddress {
  readonly interface: string;
  readonly address: string;
  /** The network of the address, `a.b.c.d/n`; undefined if the system does not tell it. */
  readonly cidr?: string;
}

/** Returns all addresses of this machine. */
export function interfaceAddresses(): InterfaceAddress[] {
  return Deno.networkInterfaces().map(({ name, address, cidr }) => ({ interface: name, address, cidr }));
}

/** Returns the IPv4 addresses of this machine with their interfaces. */
export function localAddresses(): InterfaceAddress[] {
  return interfaceAddresses().filter(({ address }) => !address.includes(":"));
}
