const SECRET_KEY = /(?:authorization|api[-_]?key|key[-_]?pem|private[-_]?key|password|secret|token)$|^key$/i;
const API_KEY_SHAPE = /(?<![0-9A-Za-z])[0-9A-Za-z]{27}_[0-9A-Za-z]{15,}/g;
const BEARER = /\bBearer\s+[^\s"',;]+/g;
const PEM_KEY = /-----BEGIN [A-Z ]*PRIVATE KEY-----[^]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g;
const REDACTED = "[redacted]";
/** The longest text and list of one value: foreign text must not fill the log. */
const MAX_CHARACTERS = 4096;
const MAX_ITEMS = 100;
/** The depth at which a value is cut off, which ends circular values too. */
const MAX_DEPTH = 6;

/**
 * Returns the properties as JSON values without secrets, which are found by the name of the
 * property, and by the shape of an API key, an Authorization header (which the API quotes in its
 * errors, docs/protocol.md 1.3) or a private key.
 */
export function redact(properties: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return redactEntries(properties, 0);
}

/** Returns the text without API keys, credentials of a header, and private keys. */
export function redactText(text: string): string {
  return text.replace(PEM_KEY, REDACTED).replace(API_KEY_SHAPE, REDACTED).replace(
    BEARER,
    `Bearer ${REDACTED}`,
  );
}

/** Redacts the text, then cuts it, so that no part of a secret can remain. */
function redactAndCut(text: string): string {
  const redacted = redactText(text);
  if (redacted.length <= MAX_CHARACTERS) return redacted;
  return `${redacted.slice(0, MAX_CHARACTERS)}… (${redacted.length} characters)`;
}

/** Returns one value as a JSON value without secrets, with long texts and lists cut. */
export function redactValue(value: unknown, depth = 0): unknown {
  if (typeof value === "string") return redactAndCut(value);
  if (typeof value === "bigint" || typeof value === "symbol" || typeof value === "function") {
    return String(value);
  }
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Error) return redactAndCut(value.message);
  if (depth >= MAX_DEPTH) return "…";
  if (Array.isArray(value)) {
    const items = value.slice(0, MAX_ITEMS).map((item) => redactValue(item, depth + 1));
    return value.length > MAX_ITEMS ? [...items, `… (${value.length} items)`] : items;
  }
  if (isPlain(value)) return redactEntries(value, depth);
  return redactAndCut(value instanceof Date ? JSON.stringify(value) : String(value));
}

function redactEntries(object: Readonly<Record<string, unknown>>, depth: number): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(object).map((
      [key, value],
    ) => [key, SECRET_KEY.test(key) ? REDACTED : redactValue(value, depth + 1)]),
  );
}

function isPlain(value: object): value is Record<string, unknown> {
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}
