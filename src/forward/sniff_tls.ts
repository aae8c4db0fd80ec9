import { isHostname, normalizeHostname } from "../lib/hostname.ts";

/** The content of the first bytes of a TLS connection. */
export type TlsSniff =
  /** The (normalised) server name; undefined if the client sends none. */
  | { readonly kind: "hello"; readonly name: string | undefined }
  | { readonly kind: "error"; readonly reason: string };

/** The first byte of a TLS connection: the content type "handshake" (RFC 8446 5.1). */
export const TLS_HANDSHAKE = 0x16;

/** Enough for every ClientHello; those with post-quantum key shares and ECH stay below 4 KiB. */
const MAX_BYTES = 65_536;
const MAX_RECORD = 16_384;
/** Type and length of a handshake message. */
const HEADER_BYTES = 4;
const CLIENT_HELLO = 1;
const SERVER_NAME = 0;
const HOST_NAME = 0;

/**
 * Finds the server name in a ClientHello of at most 64 KiB, split over records and segments in any
 * way (RFC 8446 4.1.2, 5.1; RFC 6066 3). With Encrypted Client Hello that is the outer name. Reads
 * each byte once, so that a client that sends single bytes costs no more.
 */
export class TlsSniffer {
  #offset = 0;
  #recordLeft = 0;
  #message = new Uint8Array(0);
  #have = 0;
  #need = HEADER_BYTES;

  /** Reads the bytes so far, which must begin with the bytes of the last call. */
  sniff(bytes: Uint8Array): TlsSniff | "more" {
    try {
      if (this.#collect(bytes)) {
        return { kind: "hello", name: serverName(this.#message.subarray(HEADER_BYTES, this.#need)) };
      }
      return bytes.length < MAX_BYTES ? "more" : fail("the ClientHello is larger than 64 KiB");
    } catch (error) {
      if (error instanceof BadHello) return { kind: "error", reason: error.message };
      throw error;
    }
  }

  /** Assembles the handshake message; returns true when it is complete. */
  #collect(bytes: Uint8Array): boolean {
    while (this.#offset < bytes.length) {
      if (this.#recordLeft === 0) {
        const length = recordLength(bytes.subarray(this.#offset));
        if (length === undefined) return false;
        this.#recordLeft = length;
        this.#offset += 5;
      }
      const part = bytes.subarray(
        this.#offset,
        this.#offset + Math.min(this.#recordLeft, this.#need - this.#have),
      );
      this.#append(part);
      this.#offset += part.length;
      this.#recordLeft -= part.length;
      if (this.#have < this.#need) continue;
      if (this.#need > HEADER_BYTES) return true;
      this.#need += messageLength(this.#message);
    }
    return false;
  }

  #append(part: Uint8Array): void {
    if (this.#have + part.length > this.#message.length) {
      const larger = new Uint8Array(Math.max(1024, 2 * this.#message.length, this.#have + part.length));
      larger.set(this.#message);
      this.#message = larger;
    }
    this.#message.set(part, this.#have);
    this.#have += part.length;
  }
}

class BadHello extends Error {}

function fail(reason: string): never {
  throw new BadHello(reason);
}

/**
 * Returns the length in the header of the record that begins here; undefined if the header is
 * incomplete.
 */
function recordLength(bytes: Uint8Array): number | undefined {
  if (bytes[0] !== TLS_HANDSHAKE) fail("it is not a TLS handshake");
  if (bytes.length > 1 && bytes[1] !== 3) fail("it is not TLS");
  if (bytes.length < 5) return undefined;
  const length = (bytes[3]! << 8) | bytes[4]!;
  return length === 0 || length > MAX_RECORD ? fail("a record has a wrong length") : length;
}

function messageLength(header: Uint8Array): number {
  if (header[0] !== CLIENT_HELLO) fail("it does not begin with a ClientHello");
  const length = (header[1]! << 16) | (header[2]! << 8) | header[3]!;
  if (length === 0) fail("the ClientHello is empty");
  return length > MAX_BYTES ? fail("the ClientHello is larger than 64 KiB") : length;
}

function serverName(hello: Uint8Array): string | undefined {
  const body = new Cursor(hello);
  body.take(2 + 32);
  if (body.vector(1).length > 32) fail("the session id is too long");
  const suites = body.vector(2).length;
  if (suites < 2 || suites % 2 !== 0) fail("the list of cipher suites is malformed");
  if (body.vector(1).length < 1) fail("the list of compression methods is empty");
  if (body.atEnd) return undefined;
  const extensions = new Cursor(body.vector(2));
  if (!body.atEnd) fail("bytes follow the extensions");
  let name: string | undefined;
  while (!extensions.atEnd) {
    const type = extensions.number(2);
    const data = extensions.vector(2);
    if (type !== SERVER_NAME) continue;
    if (name !== undefined) fail("the server name occurs twice");
    name = hostNameOf(data);
  }
  return name;
}

function hostNameOf(extension: Uint8Array): string {
  const outer = new Cursor(extension);
  const list = new Cursor(outer.vector(2));
  if (!outer.atEnd) fail("bytes follow the server name");
  let name: string | undefined;
  while (!list.atEnd) {
    const type = list.number(1);
    const data = list.vector(2);
    if (type !== HOST_NAME) continue;
    if (name !== undefined) fail("the server name occurs twice");
    name = normalizeHostname(String.fromCharCode(...data.subarray(0, 256)));
    if (!isHostname(name)) fail("the server name is not a host name");
  }
  return name ?? fail("the list of server names is empty");
}

/** Reads numbers and length-prefixed vectors (RFC 8446 3). */
class Cursor {
  readonly #bytes: Uint8Array;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#offset === this.#bytes.length;
  }

  take(length: number): Uint8Array {
    if (this.#offset + length > this.#bytes.length) fail("a length points past the end");
    this.#offset += length;
    return this.#bytes.subarray(this.#offset - length, this.#offset);
  }

  number(size: 1 | 2): number {
    return this.take(size).reduce((value, byte) => value * 256 + byte, 0);
  }

  vector(lengthSize: 1 | 2): Uint8Array {
    return this.take(this.number(lengthSize));
  }
}
