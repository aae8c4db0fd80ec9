/** Returns those of the addresses that this machine has now, once for each interface. */
export function presentIps<T extends { readonly address: string }>(
  wanted: readonly string[],
  addresses: () => readonly T[],
): T[] {
  if (wanted.length === 0) return [];
  const own = Map.groupBy(addresses(), ({ address }) => address);
  return wanted.flatMap((address) => own.get(address) ?? []);
}

/** Returns true for an address that this machine has now. */
export function hasIp(address: string, addresses: Parameters<typeof presentIps>[1]): boolean {
  return address !== "" && presentIps([address], addresses).length > 0;
}
