const SECRET_KEY = /(?:authorization|api[-_]?key|key[-_]?pem|private[-_]?key|password|secret|token)$|^key$/i;
const API_KEY_SHAPE = /(?<![0-9A-Za-z])[0-9A-Za-z]{27}_[0-9A-Za-z]{15,}/g;
const BEARER = /\bBearer\s+[^\s"',;]+/g;
const PEM_KEY = /-----BEGIN [A-Z ]*PRIVATE KEY-----[^]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g;
const BLANK = "[redacted]";
/** Deeper than this, and round in circles, a value is not looked into. */
const MAX_DEPTH = 6;

/**
 * The properties as values that JSON can say, with every secret blanked: by the name of the key, and by the shape of an API key, an
 * Authorization header (the API quotes it in its errors, PROTOCOL.md 1.3) or a private key.
 */
export function redact(properties: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return redactEntries(properties, 0);
}

/** A text in which everything that looks like an API key, a credential in a header or a private key is blanked. */
export function redactText(text: string): string {
  return text.replace(PEM_KEY, BLANK).replace(API_KEY_SHAPE, BLANK).replace(BEARER, `Bearer ${BLANK}`);
}

/** One value as JSON can say it, with every secret blanked. */
export function redactValue(value: unknown, depth = 0): unknown {
  if (typeof value === "string") return redactText(value);
  if (typeof value === "bigint" || typeof value === "symbol" || typeof value === "function") {
    return String(value);
  }
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Error) return redactText(value.message);
  if (depth >= MAX_DEPTH) return "…";
  if (Array.isArray(value)) return value.map((item) => redactValue(item, depth + 1));
  if (isPlain(value)) return redactEntries(value, depth);
  return redactText(value instanceof Date ? JSON.stringify(value) : String(value));
}

function redactEntries(object: Readonly<Record<string, unknown>>, depth: number): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(object).map((
      [key, value],
    ) => [key, SECRET_KEY.test(key) ? BLANK : redactValue(value, depth + 1)]),
  );
}

function isPlain(value: object): value is Record<string, unknown> {
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}
