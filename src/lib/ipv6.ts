const GROUP = /^[0-9a-f]{1,4}$/i;

/** Returns the first 64 bits of an IPv6 address in one spelling; undefined for any other text. */
export function ipv6Network(address: string): string | undefined {
  const [text = ""] = address.split("%");
  const [head = [], tail, rest] = text.split("::").map((part) => part === "" ? [] : part.split(":"));
  if (rest !== undefined) return undefined;
  const missing = 8 - head.length - (tail?.length ?? 0);
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined;
  const groups = [...head, ...Array<string>(missing).fill("0"), ...(tail ?? [])];
  if (!groups.every((group) => GROUP.test(group))) return undefined;
  return groups.slice(0, 4).map((group) => parseInt(group, 16).toString(16)).join(":");
}

/** Returns the short form (RFC 5952) of an IPv6 address of 16 octets. */
export function formatIpv6(bytes: Uint8Array): string {
  const groups = bytes.toHex().match(/.{4}/g)!.join(":");
  return new URL(`http://[${groups}]`).hostname.slice(1, -1);
}
