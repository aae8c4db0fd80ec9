import { HEADER_BYTES } from "./query.ts";

/**
 * Changes the case of the letters in a question at random (draft-vixie-dnsext-dns0x20). Servers
 * return the question unchanged, so a forged reply must guess one bit more for each letter.
 */
export function randomizeCase(message: Uint8Array, questionEnd: number): void {
  const bits = crypto.getRandomValues(new Uint8Array(questionEnd + 7 >> 3));
  forEachLetter(message, questionEnd, (at) => {
    if ((bits[at >> 3]! >> (at & 7) & 1) === 1) message[at]! ^= 0x20;
  });
}

/** Changes the letters of a question to lower case. */
export function lowerCase(message: Uint8Array, questionEnd: number): void {
  forEachLetter(message, questionEnd, (at) => message[at]! |= 0x20);
}

/**
 * Compares the questions of two messages, of which the second is ours: the same, the same but for
 * the case of its name, or different.
 */
export function compareQuestions(
  message: Uint8Array,
  { request, questionEnd }: { readonly request: Uint8Array; readonly questionEnd: number },
): "same" | "other case" | "different" {
  if (message.length < questionEnd) return "different";
  let result: "same" | "other case" = "same";
  for (let at = HEADER_BYTES; at < questionEnd; at++) {
    const [one, other] = [message[at]!, request[at]!];
    if (one === other) continue;
    // A label has at most 63 octets, so the length of a label is never taken for a letter.
    if (at >= questionEnd - 4 || (one | 0x20) !== (other | 0x20) || !isLetter(one)) return "different";
    result = "other case";
  }
  return result;
}

function forEachLetter(message: Uint8Array, questionEnd: number, change: (at: number) => void): void {
  // Behind the name there are its type and class, where an octet can look like a letter.
  for (let at = HEADER_BYTES; at < questionEnd - 4; at++) if (isLetter(message[at]!)) change(at);
}

function isLetter(octet: number): boolean {
  return (octet | 0x20) >= 0x61 && (octet | 0x20) <= 0x7a;
}
