/** Returns true for an address that this machine has now. */
export function hasIp(address: string, addresses: Parameters<typeof missingIps>[1]): boolean {
  return address !== "" && missingIps([address], addresses).length === 0;
}

/** Returns those of the addresses that this machine does not have now. */
export function missingIps(
  wanted: readonly string[],
  addresses: () => readonly { readonly address: string }[],
): string[] {
  if (wanted.length === 0) return [];
  const own = new Set(addresses().map(({ address }) => address));
  return wanted.filter((address) => !own.has(address));
}
