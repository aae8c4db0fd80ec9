import { DialError, type DialFailure, type UpgradeError } from "../model/errors.ts";
import type { IngressStep } from "../model/report.ts";

const DIAL_STEPS: Readonly<Record<DialFailure, IngressStep>> = {
  name: "resolve",
  refused: "connect",
  timeout: "connect",
  unreachable: "connect",
  late: "connect",
  full: "connect",
  reset: "connect",
  other: "connect",
  proxy: "proxy",
  untrusted: "trust",
  handshake: "tls",
  identity: "certificate",
};

/** Returns the step of a connection to the ingress that failed. */
export function ingressStep(error: DialError | UpgradeError): IngressStep {
  if (error instanceof DialError) return DIAL_STEPS[error.code];
  // With TLS 1.3 this is how a refused client certificate shows (docs/protocol.md 3.4).
  return error.code === "closed" ? "certificate" : "upgrade";
}
