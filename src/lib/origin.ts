import { normalizeHostname } from "./hostname.ts";

/**
 * Returns the origin of web pages in one spelling, such as `http://localhost:3000`, without the
 * port that is usual for the scheme; undefined for any other text.
 */
export function parseOrigin(text: string): string | undefined {
  const url = /^https?:\/\//i.test(text) ? URL.parse(text) : null;
  if (url === null || url.href !== `${url.origin}/`) return undefined;
  return `${url.protocol}//${normalizeHostname(url.hostname)}${url.port === "" ? "" : `:${url.port}`}`;
}
