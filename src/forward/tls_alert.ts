/** Returns the bytes of a fatal TLS alert (RFC 8446 6; `unrecognized_name`: RFC 6066 3). */
export function tlsAlert(description: "unrecognized_name" | "decode_error"): Uint8Array {
  return Uint8Array.of(0x15, 3, 3, 0, 2, 2, description === "unrecognized_name" ? 112 : 50);
}
