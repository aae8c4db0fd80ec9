import { fail } from "./parse_head.ts";

const LINE_END_CR = /\r$/;
const BARE_CR = /\r(?!\n)/g;
const BARE_LF = /(?<!\r)\n/g;
/** The white space that may separate the words of a request line (RFC 9112 3). */
const WORDS = /[^ \t\v\f\r]+/g;

/**
 * Puts a head into the form that every server reads in the same way, without a choice that RFC 9112
 * 2.2 and 3 leave to a server: empty lines before the request line and lines of white space after
 * it are removed, each line ends in CRLF, the words of the request line are one space apart, and a
 * bare CR in a field becomes a space. Returns an equal text if nothing changes.
 *
 * @param leading The number of empty lines before the request line.
 * @throws {BadHead} If the request line has nothing but white space.
 */
export function normalHead(text: string, leading: number): string {
  let start = 0;
  for (let line = 0; line < leading; line++) start = endOfLine(text, start);
  let fields = endOfLine(text, start);
  const words = text.slice(start, fields - 1).replace(LINE_END_CR, "").match(WORDS) ??
    fail("the request line is malformed");
  while (text[fields] === " " || text[fields] === "\t") fields = endOfLine(text, fields);
  const lines = text.slice(fields).replace(BARE_CR, " ").replace(BARE_LF, "\r\n");
  return `${words.join(" ")}\r\n${lines}`;
}

/** Returns the offset behind the line that contains this one. */
function endOfLine(text: string, offset: number): number {
  return text.indexOf("\n", offset) + 1;
}
