/** HTTP CONNECT (RFC 9110 9.3.6) in clear or within TLS, or SOCKS5 (RFC 1928). */
export type ProxyScheme = "http" | "https" | "socks5";

/** A proxy that ngrokd connects through. */
export interface Proxy {
  readonly scheme: ProxyScheme;
  readonly hostname: string;
  readonly port: number;
  /** Empty if there is none. */
  readonly username: string;
  /** A secret, which no message and no report may show. */
  readonly password: string;
  /** The setting that it comes from: `proxy_url`, or the name of a variable. */
  readonly setting: string;
}

/** Returns the URL of the proxy without its credentials. */
export function showProxy({ scheme, hostname, port }: Proxy): string {
  return `${scheme}://${hostname}:${port}`;
}

/** Returns true if the proxy has a user name or a password. */
export function hasCredentials({ username, password }: Proxy): boolean {
  return username !== "" || password !== "";
}
