import { CLASS_IN, type Query, readQuery } from "./query.ts";

/** RD: the upstream DNS server shall find the answer itself. */
const RECURSION_DESIRED = 0x01;

/** Makes a query of our own for a host name (RFC 1035 4.1). */
export function makeQuery(name: string, type: number): Query {
  const question = name.split(".").flatMap((label) => [
    label.length,
    ...[...label].map((character) => character.charCodeAt(0)),
  ]);
  const bytes = new Uint8Array([
    ...[0, 0, RECURSION_DESIRED, 0, 0, 1, 0, 0, 0, 0, 0, 0],
    ...question,
    ...[0, type >> 8, type & 255, 0, CLASS_IN],
  ]);
  const query = readQuery(bytes);
  if (query === undefined) throw new RangeError("Cannot make a query: the name is not a host name");
  return query;
}
