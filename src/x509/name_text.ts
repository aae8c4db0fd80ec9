import { latin1Text } from "../lib/latin1.ts";
import { type DerElement, oidText, readElements, readSingle, TAG } from "./der.ts";

/** The short forms of RFC 4514 3 and of the libraries of the cloud. */
const SHORT: Readonly<Record<string, string>> = {
  "2.5.4.3": "CN",
  "2.5.4.4": "SN",
  "2.5.4.6": "C",
  "2.5.4.7": "L",
  "2.5.4.8": "ST",
  "2.5.4.10": "O",
  "2.5.4.11": "OU",
  "2.5.4.12": "T",
  "2.5.4.42": "G",
  "2.5.4.43": "I",
  "0.9.2342.19200300.100.1.25": "DC",
  "1.2.840.113549.1.9.1": "E",
};

const decoders: Readonly<Record<number, (bytes: Uint8Array<ArrayBuffer>) => string>> = {
  0x0c: (bytes) => new TextDecoder().decode(bytes),
  0x12: latin1Text,
  0x13: latin1Text,
  0x14: latin1Text,
  0x16: latin1Text,
  0x1a: latin1Text,
  0x1e: (bytes) => new TextDecoder("utf-16be").decode(bytes),
};

/**
 * Returns a name as in RFC 4514, but in the order of the certificate: `C=US, O=Example\, Inc.`.
 *
 * @throws {SyntaxError} If it is malformed.
 */
export function nameText(der: Uint8Array<ArrayBuffer>): string {
  const parts = readElements(readSingle(der, TAG.sequence)).map(({ content }) =>
    readElements(content).map(({ content }) => attributeText(readElements(content))).join("+")
  );
  return parts.join(", ");
}

function attributeText([type, value]: readonly DerElement[]): string {
  if (type?.tag !== TAG.oid || value === undefined) {
    throw new SyntaxError("Cannot read the name: an attribute has no type or no value");
  }
  const oid = oidText(type.content);
  const decode = decoders[value.tag];
  const text = decode === undefined ? `#${value.bytes.toHex()}` : escaped(decode(value.content));
  return `${SHORT[oid] ?? oid}=${text}`;
}

function escaped(text: string): string {
  return text.replace(/[,+"\\<>;]/g, "\\$&").replace(/^[ #]/, "\\$&").replace(/ $/, "\\ ")
    .replace(/[\r\n\t]/g, (char) => `\\${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`);
}
