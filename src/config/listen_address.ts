/** Parses the parts of `a.b.c.d`, `a.b.c.d:port` or `:port`; none for empty text. */
export function parseListenAddress(text: string): { readonly address?: string; readonly port?: number } {
  const [address, port] = text.split(":");
  return {
    ...(address === undefined || address === "" ? {} : { address }),
    ...(port === undefined ? {} : { port: Number(port) }),
  };
}
