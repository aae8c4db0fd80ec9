/** One block of a PEM text (RFC 7468). */
export interface PemBlock {
  readonly label: string;
  readonly der: Uint8Array<ArrayBuffer>;
  /** The block in normal form, with 64 characters per line. */
  readonly pem: string;
}

/**
 * The body ends at the first hyphen, so that a text of many unfinished blocks takes linear time.
 */
const BLOCK = /-----BEGIN ([A-Z0-9 ]{1,40})-----([A-Za-z0-9+/=\s]*)-----END \1-----/g;

/**
 * Reads all well-formed blocks of a text. Text between them, and blocks that are not base64, are
 * ignored.
 */
export function readPem(text: string): PemBlock[] {
  const blocks: PemBlock[] = [];
  for (const [, label, body] of text.matchAll(BLOCK)) {
    const der = decode(body!);
    if (der !== undefined) blocks.push({ label: label!, der, pem: writePem(label!, der) });
  }
  return blocks;
}

/** Writes one PEM block, with a line feed at its end. */
export function writePem(label: string, der: Uint8Array): string {
  const lines = der.toBase64().match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ""].join("\n");
}

function decode(body: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Uint8Array.fromBase64(body);
  } catch {
    return undefined;
  }
}
