import { concat, latin1 } from "./memory_stream.ts";

/** Options of {@linkcode clientHello}. */
export interface HelloOptions {
  /** Undefined: no server_name extension. */
  readonly name?: string | undefined;
  /** Bytes of padding in an extension of their own. */
  readonly padding?: number;
  /** More extensions before the server name. */
  readonly before?: readonly Uint8Array[];
  readonly after?: readonly Uint8Array[];
}

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

export function handshake(type: number, body: Uint8Array): Uint8Array {
  return concat([Uint8Array.of(type, body.length >> 16, (body.length >> 8) & 255, body.length & 255), body]);
}

export function extension(type: number, data: Uint8Array): Uint8Array {
  return concat([Uint8Array.of(type >> 8, type & 255), vector(2, data)]);
}

export function serverName(names: readonly (readonly [number, Uint8Array])[]): Uint8Array {
  const list = names.map(([type, data]) => concat([Uint8Array.of(type), vector(2, data)]));
  return extension(0, vector(2, concat(list)));
}

export function vector(size: 1 | 2, data: Uint8Array): Uint8Array {
  return concat([
    size === 1 ? Uint8Array.of(data.length) : Uint8Array.of(data.length >> 8, data.length & 255),
    data,
  ]);
}

/** The message in records of at most so many bytes each. */
export function records(message: Uint8Array, most = 16_384): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < message.length; at += most) {
    parts.push(concat([Uint8Array.of(0x16, 3, 1), vector(2, message.subarray(at, at + most))]));
  }
  return concat(parts);
}
