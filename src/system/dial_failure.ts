import { type DialFailure, messageOf } from "../model/errors.ts";
import { codeOf, isConnectionGone } from "./errors.ts";

/** The hint for an ingress that cannot be reached. */
export const CHECK_INGRESS =
  "Check this machine's network and ingressEndpoint; each new connection tries again";

/** Errors without a route to the address. A firewall of this machine gives the last two. */
const NO_ROUTE: ReadonlySet<string> = new Set([
  "ENETUNREACH",
  "EHOSTUNREACH",
  "ENETDOWN",
  "EHOSTDOWN",
  "EACCES",
  "EPERM",
]);

/**
 * Classifies an error of a dial: class, state and hint. `connected` is true after TCP connect, when
 * the handshake has begun.
 */
export function dialFailure(
  error: unknown,
  dial: { hostname: string; connected: boolean },
): [DialFailure, string, string?] {
  const { hostname, connected } = dial;
  if (error instanceof Deno.errors.ConnectionRefused) return ["refused", "connection refused", CHECK_INGRESS];
  if (error instanceof Deno.errors.TimedOut) return ["timeout", "no response", CHECK_INGRESS];
  if (error instanceof Deno.errors.AddrNotAvailable) {
    return [
      "other",
      "no local port is left",
      "Compare net.ipv4.ip_local_port_range with the connections in use: ss -tn",
    ];
  }
  const text = messageOf(error);
  // rustls gives no code. All its messages about a bad server certificate begin with these words.
  if (connected && text.includes("invalid peer certificate")) {
    const why = text.slice(text.indexOf("invalid peer certificate"));
    return [
      "untrusted",
      why,
      // The CA is unknown; it may belong to a man in the middle.
      "Compare what it presents with what is trusted: ngrokctl trust show",
    ];
  }
  // The runtime reads our own certificate and key before it connects.
  if (
    !connected &&
    /keys may not be consistent|private key|No (?:certificates|keys) found|invalid peer certificate/.test(
      text,
    )
  ) {
    return [
      "identity",
      `ngrokd's certificate or key cannot be used (${text})`,
      "Run: ngrokctl refresh-cert --force",
    ];
  }
  if (error instanceof Deno.errors.NotCapable) {
    return [
      "other",
      `the permission set does not include "${hostname}"`,
      `Start ngrokd by its launcher, which adds --allow-net=${hostname}: ngrokd launch`,
    ];
  }
  if (!connected && NO_ROUTE.has(codeOf(error) ?? "")) return ["unreachable", text, CHECK_INGRESS];
  if (text.includes("lookup address")) {
    return ["name", `the name "${hostname}" does not resolve`, CHECK_INGRESS];
  }
  if (isConnectionGone(error)) return ["reset", "the connection was reset", CHECK_INGRESS];
  // An alert or bytes that are not TLS: the runtime uses this class for all errors of rustls.
  if (connected && error instanceof Deno.errors.InvalidData) return ["handshake", text];
  return ["other", text];
}
