/** One block of a PEM text (RFC 7468): its label, its DER bytes, and the block again in its plain form. */
export interface PemBlock {
  readonly label: string;
  readonly der: Uint8Array<ArrayBuffer>;
  readonly pem: string;
}

/** The body stops at the first hyphen, so that a text full of beginnings without an end is read in linear time. */
const BLOCK = /-----BEGIN ([A-Z0-9 ]{1,40})-----([A-Za-z0-9+/=\s]*)-----END \1-----/g;

/** All well-formed blocks of a text; whatever stands between them, and blocks that are not base64, are left out. */
export function readPem(text: string): PemBlock[] {
  const blocks: PemBlock[] = [];
  for (const [, label, body] of text.matchAll(BLOCK)) {
    const der = decode(body!);
    if (der !== undefined) blocks.push({ label: label!, der, pem: writePem(label!, der) });
  }
  return blocks;
}

/** One PEM block, with a line feed at its end. */
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
