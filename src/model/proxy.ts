/** An HTTP proxy that is asked for tunnels by CONNECT (RFC 9110 9.3.6). */
export interface Proxy {
  readonly hostname: string;
  readonly port: number;
  /** Empty: none. */
  readonly username: string;
  /** A secret: in no message and no report. */
  readonly password: string;
}

/** The proxy as it may be shown: without its credentials. */
export function showProxy({ hostname, port }: Proxy): string {
  return `http://${hostname}:${port}`;
}
