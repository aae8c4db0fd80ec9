/**
 * Loads a certificate chain and its key, both PEM, as a TLS connection would.
 *
 * @throws {Error} If the runtime's TLS cannot use them.
 */
export function checkTlsPair({ cert, key }: { readonly cert: string; readonly key: string }): void {
  Deno.createHttpClient({ cert, key }).close();
}
