/** How a proxy is spoken to: HTTP CONNECT (RFC 9110 9.3.6) in clear or within TLS, or SOCKS5 (RFC 1928). */
export type ProxyScheme = "http" | "https" | "socks5";

/** A proxy that is asked for tunnels. */
export interface Proxy {
  readonly scheme: ProxyScheme;
  readonly hostname: string;
  readonly port: number;
  /** Empty: none. */
  readonly username: string;
  /** A secret: in no message and no report. */
  readonly password: string;
  /** Where it was set, for messages: `proxy_url`, or the name of a variable. */
  readonly setting: string;
}

/** The proxy as it may be shown: without its credentials. */
export function showProxy({ scheme, hostname, port }: Proxy): string {
  return `${scheme}://${hostname}:${port}`;
}

/** Whether it is given a user name and password. */
export function hasCredentials({ username, password }: Proxy): boolean {
  return username !== "" || password !== "";
}
