/** The 1,000 names of the server, each with an address of its own. */
export function benchNames(): { hostname: string; address: string }[] {
  return Array.from({ length: 1000 }, (_, index) => ({
    hostname: `name${index}.bench.example`,
    address: `10.107.${index >> 8}.${index & 255}`,
  }));
}
