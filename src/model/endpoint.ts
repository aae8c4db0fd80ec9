import { isHostname, isWildcard, normalizeHostname } from "../lib/hostname.ts";
import { parseIpv4 } from "../lib/ipv4.ts";
import { printable } from "../lib/printable.ts";

/** The schemes of bound endpoints (docs/protocol.md 2.2). */
export type Scheme = "http" | "https" | "tls" | "tcp";

/** A private endpoint of the account. */
export interface Endpoint {
  /** `ep_…` */
  readonly id: string;
  /** The URL in the spelling of the API. */
  readonly url: string;
  readonly scheme: Scheme;
  /** Lower case, without a final dot; `*.example.com` for a wildcard. */
  readonly hostname: string;
  /** The port of the URL, or the default of its scheme; the upgrade names it. */
  readonly port: number;
  readonly wildcard: boolean;
}

/** An endpoint that the API lists and ngrokd does not serve, with the reason. */
export interface RefusedEndpoint {
  readonly id: string;
  readonly url: string;
  readonly reason: string;
}

/** The parts of an endpoint URL. */
export type EndpointUrl = Pick<Endpoint, "scheme" | "hostname" | "port" | "wildcard">;

const DEFAULT_PORTS: Readonly<Record<Scheme, number | undefined>> = {
  http: 80,
  https: 443,
  tls: 443,
  tcp: undefined,
};
const URL_FORM = /^([a-z][a-z0-9+.-]*):\/\/([^/?#@\s]*?)(?::([0-9]*))?(\/)?$/i;

/**
 * Reads an endpoint URL in all the forms of docs/protocol.md 2.2. The port defaults to 80 (http) or
 * 443 (https, tls); a tcp URL must have one.
 *
 * @throws {SyntaxError} If it is not such a URL. The message is a reason, to be shown after the
 * URL.
 */
export function parseEndpointUrl(url: string): EndpointUrl {
  const match = URL_FORM.exec(url);
  if (match === null) throw unusable(`"${printable(url)}" is not of the form scheme://host:port`);
  const scheme = match[1]!.toLowerCase();
  if (!isScheme(scheme)) {
    throw unusable(`the scheme "${printable(scheme)}" is not http, https, tls or tcp`);
  }
  const hostname = normalizeHostname(match[2]!);
  const wildcard = hostname.startsWith("*.");
  if (parseIpv4(hostname) !== undefined) {
    throw unusable(`"${hostname}" is an address, not a host name`);
  }
  if (!(wildcard ? isWildcard(hostname) : isHostname(hostname))) {
    throw unusable(`"${printable(hostname)}" is not a host name`);
  }
  const port = match[3] === undefined
    ? DEFAULT_PORTS[scheme]
    : Number(/^[0-9]{1,5}$/.test(match[3]) ? match[3] : NaN);
  if (port === undefined) throw unusable(`a ${scheme} URL must name a port`);
  if (!(port >= 1 && port <= 65535)) throw unusable("the port is not in 1 to 65535");
  return { scheme, hostname, port, wildcard };
}

/**
 * Returns the host name of an endpoint as the API spells it, for the ingress, which may compare the
 * spelling. {@linkcode Endpoint.hostname} is the same in normal form.
 */
export function spellingOf({ url }: Pick<Endpoint, "url">): string {
  return URL_FORM.exec(url)?.[2] ?? "";
}

/** Returns `host:port`, the key of a service. Pooled endpoints have the same. */
export function serviceKey(endpoint: Pick<Endpoint, "hostname" | "port">): string {
  return `${endpoint.hostname}:${endpoint.port}`;
}

/** Makes an error whose message is a reason: it continues a sentence that names the URL. */
function unusable(reason: string): SyntaxError {
  return new SyntaxError(reason);
}

function isScheme(text: string): text is Scheme {
  return Object.hasOwn(DEFAULT_PORTS, text);
}
