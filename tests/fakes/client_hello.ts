import { concat, latin1 } from "./memory_stream.ts";

/** The handshake message of a TLS 1.3 ClientHello with GREASE in every list (RFC 8701). */
export function clientHello(options: HelloOptions): Uint8Array {
  const { name, padding = 0, before = [], after = [] } = options;
  const extensions = concat([
    extension(0x0a0a, new Uint8Array(0)),
    ...before,
    ...(name === undefined ? [] : [serverName([[0, latin1(name)]])]),
    extension(0x002b, Uint8Array.of(4, 0x1a, 0x1a, 3, 4)),
    ...(padding > 0 ? [extension(21, new Uint8Array(padding))] : []),
    ...after,
    extension(0x3a3a, Uint8Array.of(0)),
  ]);
  const body = concat([
    Uint8Array.of(3, 3),
    new Uint8Array(32).fill(7),
    vector(1, new Uint8Array(32)),
    vector(2, Uint8Array.of(0x2a, 0x2a, 0x13, 0x01)),
    vector(1, Uint8Array.of(0)),
    vector(2, extensions),
  ]);
  return handshake(1, body);
}

/** A ClientHello with this server name, in TLS records. */
export function hello(name?: string): Uint8Array {
  return records(clientHello({ name }));
}

/** Options of {@linkcode clientHello}. */
export interface HelloOptions {
  /** The server name. @default {undefined}, no server_name extension */
  readonly name?: string | undefined;
  /** The length of a padding extension. */
  readonly padding?: number;
  /** Extensions before the server name. */
  readonly before?: readonly Uint8Array[];
  /** Extensions after it. */
  readonly after?: readonly Uint8Array[];
}

/** A handshake message. */
export function handshake(type: number, body: Uint8Array): Uint8Array {
  return concat([Uint8Array.of(type, body.length >> 16, (body.length >> 8) & 255, body.length & 255), body]);
}

/** An extension of a hello. */
export function extension(type: number, data: Uint8Array): Uint8Array {
  return concat([Uint8Array.of(type >> 8, type & 255), vector(2, data)]);
}

/** A server_name extension with these types and names. */
export function serverName(names: readonly (readonly [number, Uint8Array])[]): Uint8Array {
  const list = names.map(([type, data]) => concat([Uint8Array.of(type), vector(2, data)]));
  return extension(0, vector(2, concat(list)));
}

/** Data after its length. */
export function vector(size: 1 | 2, data: Uint8Array): Uint8Array {
  return concat([
    size === 1 ? Uint8Array.of(data.length) : Uint8Array.of(data.length >> 8, data.length & 255),
    data,
  ]);
}

/** The message in records of at most `max` bytes each. */
export function records(message: Uint8Array, max = 16_384): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let start = 0; start < message.length; start += max) {
    parts.push(concat([Uint8Array.of(0x16, 3, 1), vector(2, message.subarray(start, start + max))]));
  }
  return concat(parts);
}
