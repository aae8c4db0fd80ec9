import { numberedFailure } from "./errors.ts";
import type { Switches } from "./switches.ts";

/** The parts of an endpoint's URL (docs/protocol.md 2.2). */
export interface EndpointAddress {
  scheme: string;
  host: string;
  port: number;
  /** The URL with a default port stripped. */
  url: string;
}

/** The ports that the cloud strips from `url` and keeps in `hostport`. */
export const DEFAULT_PORTS: Record<string, number> = { http: 80, https: 443, tls: 443 };

const MAX_HOST_PARTS = 5;

/**
 * Parses a URL.
 *
 * @throws {ApiFailure} With the code of the rule that it breaks (docs/protocol.md 1.3).
 */
export function parseEndpointUrl(
  text: string,
  options: { binding: string; switches: Switches },
): EndpointAddress {
  const { binding, switches } = options;
  const refuse = (number: number, message: string): never => {
    throw numberedFailure(number, `${message}: ${JSON.stringify(text)}`);
  };
  const match = /^([a-z]+):\/\/([^/:?#@]+)(?::(\d+))?(.*)$/.exec(text);
  if (match === null) return refuse(249, "The endpoint URL is not valid");
  const [, scheme = "", rawHost = "", portText, rest = ""] = match;
  if (rest === "/") refuse(9038, "The endpoint URL must not end in a slash");
  if (rest !== "") refuse(9037, "The endpoint URL has a part that is not allowed");
  if (!["http", "https", "tls", "tcp"].includes(scheme)) refuse(9041, "The protocol is not supported");
  const port = Number(portText ?? DEFAULT_PORTS[scheme]);
  if (Number.isNaN(port)) refuse(9035, "A tcp endpoint needs a port");
  if (port < 1 || port > 65_535) refuse(9030, "The port must be between 1 and 65535");
  const host = rawHost.toLowerCase();
  if (host.split(".").length > MAX_HOST_PARTS) refuse(9031, `The host has more than ${MAX_HOST_PARTS} parts`);
  if (!/^(\*\.)?([a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$/.test(host)) {
    refuse(249, "The host is not valid");
  }
  if (binding === "kubernetes") {
    if (/^[\d.]+$/.test(host)) refuse(9039, "A kubernetes-bound endpoint needs a domain name");
    if (scheme === "https" && !switches.httpsKubernetes) {
      refuse(9041, "A kubernetes-bound endpoint must be http, tls or tcp");
    }
    if (host.startsWith("*.") && !switches.wildcardKubernetes) {
      refuse(9039, "A kubernetes-bound endpoint cannot be a wildcard");
    }
  }
  const isDefault = DEFAULT_PORTS[scheme] === port;
  return { scheme, host, port, url: `${scheme}://${host}${isDefault ? "" : `:${port}`}` };
}
