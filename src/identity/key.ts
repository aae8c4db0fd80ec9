import { readPem, writePem } from "../x509/pem.ts";

const SEC1_LABEL = "EC PRIVATE KEY";
const PKCS8_LABEL = "PRIVATE KEY";
const ID_EC_PUBLIC_KEY = "06072a8648ce3d0201";
/** The curves with the size of a number in bytes and the identifier (RFC 5480 2.1.1.1). */
const CURVES = [
  { name: "P-256", size: 32, oid: "06082a8648ce3d030107" },
  { name: "P-384", size: 48, oid: "06052b81040022" },
] as const;
/** The bytes before the number and before the point in the RFC 5915 form of a P-256 key. */
const BEFORE_NUMBER = "30770201010420";
const BEFORE_POINT = "a00a06082a8648ce3d030107a14403420004";

/** Makes an ECDSA P-256 key; P-384 would cost ten times the CPU per connection. */
export async function generateKey(): Promise<NewKey> {
  const algorithm = { name: "ECDSA", namedCurve: "P-256" };
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const { d, x, y } = await crypto.subtle.exportKey("jwk", keys.privateKey);
  const sec1 = `${BEFORE_NUMBER}${toHex(d)}${BEFORE_POINT}${toHex(x)}${toHex(y)}`;
  return { keys, pem: writePem(SEC1_LABEL, Uint8Array.fromHex(sec1)) };
}

/**
 * Returns the public key (SubjectPublicKeyInfo, DER) of a private ECDSA key on P-256, or on P-384
 * as the Go daemon has. The key is SEC 1 in a block `EC PRIVATE KEY` or PKCS #8 in a block `PRIVATE
 * KEY`, the two forms that Deno's TLS accepts.
 *
 * @throws {SyntaxError} If there is no such key; the message does not quote it.
 */
export async function publicKeyOf(pem: string): Promise<Uint8Array<ArrayBuffer>> {
  const block = readPem(pem).find(({ label }) => label === SEC1_LABEL || label === PKCS8_LABEL);
  if (block === undefined) {
    throw new SyntaxError("Cannot read the private key: no PEM block with a private key");
  }
  for (const curve of CURVES) {
    const pkcs8 = block.label === PKCS8_LABEL ? block.der : toPkcs8(block.der, curve);
    if (pkcs8 === undefined) continue;
    try {
      return await derivePublicKey(pkcs8, curve.name);
    } catch {
      // The key is not on this curve.
    }
  }
  throw new SyntaxError("Cannot read the private key: it is not an ECDSA key on P-256 or P-384");
}

async function derivePublicKey(
  pkcs8: Uint8Array<ArrayBuffer>,
  namedCurve: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const algorithm = { name: "ECDSA", namedCurve };
  const key = await crypto.subtle.importKey("pkcs8", pkcs8, algorithm, true, ["sign"]);
  const { d: _, key_ops: __, ...jwk } = await crypto.subtle.exportKey("jwk", key);
  const point = await crypto.subtle.importKey("jwk", jwk, algorithm, true, ["verify"]);
  return new Uint8Array(await crypto.subtle.exportKey("spki", point));
}

/**
 * Converts a SEC 1 key to PKCS #8 (RFC 5958 2); undefined if it is not on the curve. The curve's
 * identifier moves from the inner structure to the outer one, because Deno's WebCrypto does not
 * accept it inside for P-384.
 */
function toPkcs8(sec1: Uint8Array, curve: typeof CURVES[number]): Uint8Array<ArrayBuffer> | undefined {
  const number = `04${curve.size.toString(16)}[0-9a-f]{${curve.size * 2}}`;
  const form = new RegExp(`^30(?:81)?..020101(${number})(?:a0..${curve.oid})?(a1[0-9a-f]*)?$`);
  const match = form.exec(sec1.toHex());
  if (match === null) return undefined;
  const inner = element("30", `020101${match[1]}${match[2] ?? ""}`);
  const algorithm = element("30", ID_EC_PUBLIC_KEY + curve.oid);
  return Uint8Array.fromHex(element("30", `020100${algorithm}${element("04", inner)}`));
}

/** Encodes one DER element of less than 256 bytes (X.690 8.1), in hexadecimal. */
function element(tag: string, content: string): string {
  const length = content.length / 2;
  return `${tag}${length < 0x80 ? "" : "81"}${length.toString(16).padStart(2, "0")}${content}`;
}

function toHex(base64url: string | undefined): string {
  return Uint8Array.fromBase64(base64url ?? "", { alphabet: "base64url" }).toHex();
}

/** A new private key, and its text for the disk. */
export interface NewKey {
  readonly keys: CryptoKeyPair;
  /** SEC 1 in a block `EC PRIVATE KEY` (RFC 5915), as every version has written it. */
  readonly pem: string;
}
