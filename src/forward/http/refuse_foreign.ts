import { isHostname, isListed } from "../../lib/hostname.ts";
import { ipLiteral } from "../../lib/ip_literal.ts";
import { isLoopbackHost } from "../../lib/loopback_host.ts";
import { parseOrigin } from "../../lib/origin.ts";
import { printable } from "../../lib/printable.ts";
import type { Route } from "../../model/route_table.ts";
import { hasOwnHost } from "./host_field.ts";
import { type RequestHead, valuesOf } from "./parse_head.ts";
import type { HttpRefusal } from "./refuse.ts";

/** The methods that change nothing (RFC 9110 9.2.1). */
export const SAFE_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE"]);

/** Browsers send one Origin. More are refused unread. */
const MAX_ORIGINS = 100;

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
  if (method === "CONNECT" || hasOwnHost(head, route)) return undefined;
  // A request without a Host is of a program: browsers always send one.
  const isExpected = host === "" || host === route.hostname || isOwnHost(host, options);
  if (isExpected || isAllowed(host, rules.allowHosts())) return refuseOrigin(head, rules);
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
  readonly route: Pick<Route, "hostname" | "port" | "extra">;
  readonly rules: HostRules;
}

/** The names and addresses that clients may use instead of an endpoint's own name. */
export interface HostRules {
  /** Returns true for an address of this machine. */
  readonly isOwnAddress: (address: string) => boolean;
  /**
   * Host names, `*.suffix` and IPv4 addresses that requests may name, and origins of pages that may
   * send changes. They may differ with each call.
   */
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
  const origins = valuesOf(fields, "origin").slice(0, MAX_ORIGINS + 1).map((text, index) => ({
    text,
    origin: index < MAX_ORIGINS ? parseOrigin(text) : undefined,
  }));
  const trusted = new Set(origins.length === 0 ? [] : rules.allowHosts());
  const isTrusted = ({ origin }: { origin: string | undefined }) =>
    origin !== undefined && trusted.has(origin);
  if (origins.length > 0 && origins.every(isTrusted)) return undefined;
  const foreign = origins.find(({ origin }) => origin === undefined || !isSameOrigin(origin, head));
  const isCrossSite = valuesOf(fields, "sec-fetch-site").some((site) => site.toLowerCase() === "cross-site");
  if (foreign === undefined && !isCrossSite) return undefined;
  const page = foreign === undefined ? "another site" : `"${printable(foreign.text)}"`;
  return {
    status: 403,
    reason: `A web page of ${page} may not send this ${printable(method)} request to ${quoteHost(head)}.`,
    nextStep:
      "Use the endpoint's name: ngrokctl list. To trust these pages, add http://host:port to net.allow_hosts",
    method,
  };
}

/**
 * Compares hosts and ports. Compares the scheme for a loopback host only: elsewhere a proxy in
 * front of this address may add TLS.
 */
function isSameOrigin(origin: string, { host, port }: RequestHead): boolean {
  const isHttps = origin.startsWith("https:");
  if (isHttps && isLoopbackHost(host)) return false;
  const scheme = isHttps ? "https" : "http";
  return origin === parseOrigin(`${scheme}://${host}${port === undefined ? "" : `:${port}`}`);
}

/** A host that is no name, such as an address, has no suffix. */
function isAllowed(host: string, allowHosts: readonly string[]): boolean {
  return isHostname(host) ? isListed(host, allowHosts) : allowHosts.includes(host);
}
