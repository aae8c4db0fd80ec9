import type { MessageNames } from "./message_names.ts";
import { TYPE, uint16 } from "./query.ts";
import type { DnsRecord } from "./records.ts";

/** The size of an address by the key of a parameter of SVCB (RFC 9460 7.3). */
const HINT_BYTES: Readonly<Record<number, number>> = { 4: 4, 6: 16 };

/** The name and the addresses to which the data of a record leads. */
export function readTargets(
  bytes: Uint8Array,
  { record, names }: { readonly record: DnsRecord; readonly names: MessageNames },
): Targets | "malformed" {
  const { type, dataStart, dataEnd } = record;
  const data = bytes.subarray(dataStart, dataEnd);
  switch (type) {
    case TYPE.A:
    case TYPE.AAAA:
      return data.length === (type === TYPE.A ? 4 : 16) ? { addresses: [data] } : "malformed";
    case TYPE.CNAME:
    case TYPE.DNAME: {
      const target = names.read(dataStart);
      return target?.end === dataEnd ? { target: target.name, addresses: [] } : "malformed";
    }
    case TYPE.SVCB:
    case TYPE.HTTPS: {
      const target = names.read(dataStart + 2);
      // Compression is forbidden here: in a copy of the record a pointer leads elsewhere.
      if (target === undefined || target.end - dataStart - 2 !== target.octets) return "malformed";
      const addresses = readHints(bytes, { start: target.end, end: dataEnd });
      return addresses === undefined ? "malformed" : { target: target.name, addresses };
    }
    default:
      return { addresses: [] };
  }
}

/** The addresses in the parameters of an SVCB or HTTPS record (RFC 9460 2.2). */
function readHints(
  bytes: Uint8Array,
  { start, end }: { readonly start: number; readonly end: number },
): Uint8Array[] | undefined {
  const found: Uint8Array[] = [];
  let at = start;
  while (at + 4 <= end) {
    const [key, valueStart] = [uint16(bytes, at), at + 4];
    at = valueStart + uint16(bytes, at + 2);
    const size = HINT_BYTES[key];
    if (at > end) return undefined;
    if (size === undefined) continue;
    if (at === valueStart || (at - valueStart) % size !== 0) return undefined;
    for (let from = valueStart; from < at; from += size) found.push(bytes.subarray(from, from + size));
  }
  return at === end ? found : undefined;
}

/** The name and the addresses to which a record leads. */
export interface Targets {
  readonly target?: string;
  readonly addresses: readonly Uint8Array[];
}
