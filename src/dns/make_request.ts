import type { Request } from "./exchange.ts";
import { type Query, TYPE } from "./query.ts";
import { lowerCase } from "./question_case.ts";
import { MAX_UDP_BYTES } from "./reply.ts";

const RD = 0x01;
const AD_CD = 0x30;

/**
 * Returns the message to send for a query, in lower case, so that clients share it; its id is 0
 * until it is sent.
 */
export function makeRequest({ bytes, questionEnd, edns }: Query): Request {
  const request = new Uint8Array(questionEnd + (edns === undefined ? 0 : 11));
  request.set(bytes.subarray(0, questionEnd));
  lowerCase(request, questionEnd);
  request.set([0, 0, bytes[2]! & RD, bytes[3]! & AD_CD, 0, 1, 0, 0, 0, 0, 0, edns === undefined ? 0 : 1]);
  if (edns !== undefined) {
    const size = [MAX_UDP_BYTES >> 8, MAX_UDP_BYTES & 255];
    request.set([0, 0, TYPE.OPT, ...size, 0, 0, edns.dnssecOk ? 0x80 : 0, 0, 0, 0], questionEnd);
  }
  return { bytes: request, questionEnd };
}
