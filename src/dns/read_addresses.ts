import { formatIpv4 } from "../lib/ipv4.ts";
import { CLASS_IN, HEADER_BYTES, skipName, TYPE, uint16 } from "./query.ts";

const A_BYTES = 4;
const AAAA_BYTES = 16;

/**
 * Returns the addresses in the answer section of a reply: IPv4 as text, and `::` for each IPv6
 * address. Reads as far as the message is well-formed.
 */
export function readAddresses(reply: Uint8Array): string[] {
  const addresses: string[] = [];
  const question = skipName(reply, HEADER_BYTES);
  let at = question === undefined ? undefined : question + 4;
  for (let left = uint16(reply, 6); left > 0 && at !== undefined; left--) {
    const start: number | undefined = skipName(reply, at);
    if (start === undefined || start + 10 > reply.length) break;
    const [type, size] = [uint16(reply, start), uint16(reply, start + 8)];
    const data = start + 10;
    if (data + size > reply.length) break;
    if (uint16(reply, start + 2) === CLASS_IN) {
      if (type === TYPE.A && size === A_BYTES) {
        addresses.push(formatIpv4(new DataView(reply.buffer, reply.byteOffset + data).getUint32(0)));
      } else if (type === TYPE.AAAA && size === AAAA_BYTES) addresses.push("::");
    }
    at = data + size;
  }
  return addresses;
}
