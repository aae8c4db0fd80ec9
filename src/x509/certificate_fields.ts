import { formatIpv6 } from "../lib/ipv6.ts";
import { latin1Text } from "../lib/latin1.ts";
import { oidText, readElements, readSingle, TAG } from "./der.ts";

/** The fields of a certificate that the runtime's own reader does not show (RFC 5280 4.1). */
export interface CertificateFields {
  /** The number in hexadecimal, lower case, without the zero that makes it positive. */
  readonly serial: string;
  /** Names in DER. */
  readonly issuer: Uint8Array<ArrayBuffer>;
  readonly subject: Uint8Array<ArrayBuffer>;
  /** SubjectPublicKeyInfo in DER. */
  readonly publicKey: Uint8Array<ArrayBuffer>;
  /** The DNS names and IP addresses of subjectAltName. */
  readonly names: readonly string[];
  /** The object identifiers of extKeyUsage; undefined if it is absent. */
  readonly purposes: readonly string[] | undefined;
}

const EXTENSIONS = 0xa3;
const VERSION = 0xa0;
const DNS_NAME = 0x82;
const IP_ADDRESS = 0x87;
const OCTET_STRING = 0x04;
const SUBJECT_ALT_NAME = "2.5.29.17";
const EXT_KEY_USAGE = "2.5.29.37";

/**
 * Reads a certificate in DER.
 *
 * @throws {SyntaxError} If it is none.
 */
export function readFields(der: Uint8Array<ArrayBuffer>): CertificateFields {
  const [tbs] = readElements(readSingle(der, TAG.sequence));
  if (tbs?.tag !== TAG.sequence) throw malformed();
  const all = readElements(tbs.content);
  const fields = all[0]?.tag === VERSION ? all.slice(1) : all;
  const [serial, , issuer, , subject, publicKey, ...optional] = fields;
  if (
    serial?.tag !== TAG.integer || issuer === undefined || subject === undefined || publicKey === undefined
  ) {
    throw malformed();
  }
  const extensions = readExtensions(optional.find(({ tag }) => tag === EXTENSIONS)?.content);
  const names = extensions.get(SUBJECT_ALT_NAME);
  const purposes = extensions.get(EXT_KEY_USAGE);
  return {
    serial: serial.content.toHex().replace(/^00(?=.)/, ""),
    issuer: issuer.bytes,
    subject: subject.bytes,
    publicKey: publicKey.bytes,
    names: names === undefined ? [] : readNames(readSingle(names, TAG.sequence)),
    purposes: purposes &&
      readElements(readSingle(purposes, TAG.sequence)).map((each) => oidText(each.content)),
  };
}

/** Reads the values of the extensions by object identifier; the first of two counts. */
function readExtensions(content: Uint8Array<ArrayBuffer> | undefined): Map<string, Uint8Array<ArrayBuffer>> {
  const values = new Map<string, Uint8Array<ArrayBuffer>>();
  if (content === undefined) return values;
  for (const extension of readElements(readSingle(content, TAG.sequence))) {
    const parts = readElements(extension.content);
    const [id, value] = [parts[0], parts.at(-1)];
    if (id?.tag !== TAG.oid || value?.tag !== OCTET_STRING) throw malformed();
    const name = oidText(id.content);
    if (!values.has(name)) values.set(name, value.content);
  }
  return values;
}

function readNames(content: Uint8Array<ArrayBuffer>): string[] {
  return readElements(content).flatMap(({ tag, content }) => {
    if (tag === DNS_NAME) return [latin1Text(content)];
    return tag === IP_ADDRESS ? [addressText(content)] : [];
  });
}

/** Returns an address, that of IPv6 in its short form (RFC 5952). */
function addressText(bytes: Uint8Array<ArrayBuffer>): string {
  if (bytes.length !== 16) return bytes.join(".");
  return formatIpv6(bytes);
}

function malformed(): SyntaxError {
  return new SyntaxError("Cannot read the certificate: a field is missing or malformed");
}
