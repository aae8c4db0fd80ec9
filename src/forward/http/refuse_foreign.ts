import { isHostname, normalizeHostname, parentDomains } from "../../lib/hostname.ts";
import { ipLiteral } from "../../lib/ip_literal.ts";
import { isLoopbackHost } from "../../lib/loopback_host.ts";
import { printable } from "../../lib/printable.ts";
import type { Route } from "../../model/route_table.ts";
import { type RequestHead, valuesOf } from "./parse_head.ts";
import type { HttpRefusal } from "./refuse.ts";

/** The methods that change nothing (RFC 9110 9.2.1). */
const SAFE_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE"]);

/**
 * Refuses a request that would get another Host and may come from a hostile web page
 * (docs/reliability.md R59, R60). The rewritten Host would hide from the endpoint that the page
 * made its own name lead here (DNS rebinding), or that a page of another origin wants a change.
 *
 * A CONNECT passes: it names the far end of a tunnel, and no page can send one.
 */
export function refuseForeign(head: RequestHead, options: ForeignOptions): HttpRefusal | undefined {
  const { route, rules } = options;
  const { host, method } = head;
  if (method === "CONNECT" || host === route.hostname) return undefined;
  // A request without a Host is of a program: browsers always send one.
  if (host === "" || isOwnHost(host, options)) return refuseOrigin(head, rules);
  if (isListed(host, rules.allowHosts())) return undefined;
  return {
    status: 421,
    reason: `The request is for ${quoteHost(head)}. This address takes only the endpoint's own name, ${
      route.extra ? "IP addresses" : "addresses of this machine"
    } and localhost.`,
    nextStep: "See the endpoint's name: ngrokctl list. To take another name too, add it to net.allow_hosts",
    method,
  };
}

/** Options of {@linkcode refuseForeign}. */
export interface ForeignOptions {
  readonly route: Pick<Route, "hostname" | "extra">;
  readonly rules: HostRules;
}

/** The names and addresses that clients may use instead of an endpoint's own name. */
export interface HostRules {
  /** Returns true for an address of this machine. */
  readonly isOwnAddress: (address: string) => boolean;
  /** Host names, `*.suffix` and IPv4 addresses, which may differ with each call. */
  readonly allowHosts: () => readonly string[];
}

/** Returns the host and port that a request is for, in quotes and shortened. */
export function quoteHost({ host, port }: RequestHead): string {
  return `"${printable(port === undefined ? host : `${host}:${port}`)}"`;
}

/** An extra port may be reached by an address that this machine does not know, through NAT. */
function isOwnHost(host: string, { route, rules }: ForeignOptions): boolean {
  if (isLoopbackHost(host)) return true;
  const address = ipLiteral(host);
  return address !== undefined && (route.extra === true || rules.isOwnAddress(address));
}

/** Refuses a change that a page of another origin asks for. */
function refuseOrigin(head: RequestHead, rules: HostRules): HttpRefusal | undefined {
  const { method, fields } = head;
  if (SAFE_METHODS.has(method) && !fields.some(({ name }) => name === "upgrade")) return undefined;
  const origins = valuesOf(fields, "origin").map((origin) => ({ origin, url: URL.parse(origin) }));
  const isTrusted = ({ url }: { url: URL | null }) =>
    url !== null && isListed(normalizeHostname(url.hostname), rules.allowHosts());
  if (origins.length > 0 && origins.every(isTrusted)) return undefined;
  const foreign = origins.find(({ url }) => url === null || !isSameOrigin(url, head));
  const isCrossSite = valuesOf(fields, "sec-fetch-site").some((site) => site.toLowerCase() === "cross-site");
  if (foreign === undefined && !isCrossSite) return undefined;
  const page = foreign === undefined ? "another site" : `"${printable(foreign.origin)}"`;
  return {
    status: 403,
    reason: `A web page of ${page} may not send this ${printable(method)} request to ${quoteHost(head)}.`,
    nextStep:
      "Use the endpoint's name: ngrokctl list. To trust the pages of a host, add it to net.allow_hosts",
    method,
  };
}

/** Compares hosts and ports. Not the scheme: a proxy in front of this address may add TLS. */
function isSameOrigin(url: URL, { host, port }: RequestHead): boolean {
  const usual = url.protocol === "https:" ? 443 : 80;
  const requested = URL.parse(`http://${host}/`)?.hostname ?? "";
  return normalizeHostname(url.hostname) === normalizeHostname(requested) &&
    (url.port === "" ? usual : Number(url.port)) === (port ?? usual);
}

function isListed(host: string, allowHosts: readonly string[]): boolean {
  if (allowHosts.includes(host)) return true;
  return isHostname(host) && parentDomains(host).some((suffix) => allowHosts.includes(`*.${suffix}`));
}
