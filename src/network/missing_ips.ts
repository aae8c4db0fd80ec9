/** Returns those of the addresses that this machine does not have now. */
export function missingIps(
  wanted: readonly string[],
  addresses: () => readonly { readonly address: string }[],
): string[] {
  if (wanted.length === 0) return [];
  const own = new Set(addresses().map(({ address }) => address));
  return wanted.filter((address) => !own.has(address));
}
