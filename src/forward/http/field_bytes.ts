const TOKEN_CHARACTERS = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const TOKEN_BYTES = new Uint8Array(256);
for (const character of TOKEN_CHARACTERS) TOKEN_BYTES[character.charCodeAt(0)] = 1;

/** Returns true for the bytes of a token (RFC 9110 5.6.2). */
export function isTokenByte(byte: number): boolean {
  return TOKEN_BYTES[byte] === 1;
}

/** Returns true for a byte that a field value or a chunk extension may have. */
export function isFieldByte(byte: number): boolean {
  return byte >= 0x20 && byte !== 0x7f || byte === 0x09;
}

/** Returns true for a space and a tab. */
export function isBlankByte(byte: number): boolean {
  return byte === 0x20 || byte === 0x09;
}
