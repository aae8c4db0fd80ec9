import { DialError } from "../model/errors.ts";
import { type IngressTarget, isSameTarget } from "../model/ingress_target.ts";
import type { IngressProbe } from "./ingress_probe.ts";
import type { Verdict } from "./judge_chain.ts";

/**
 * Returns the error of a dial to an untrusted ingress, with the reasons that the last probe of it
 * found.
 */
export function explainRefusal(error: DialError, options: RefusalOptions): DialError {
  const { target, probe: { presented, failure }, hasCas } = options;
  if (failure !== undefined && isSameTarget(failure.target, target)) {
    return new DialError(`${error.message}; its certificates could not be read (${failure.message})`, {
      code: "untrusted",
      cause: error,
      hint: failure.hint ?? "Trust no CA before you have seen its certificates: ngrokctl trust show",
    });
  }
  if (presented === undefined || !isSameTarget(presented.target, target)) return error;
  const { reasons } = presented.verdict;
  if (reasons.length === 0) return error;
  return new DialError(
    `Cannot connect to ${target.hostname}:${target.port}: the ingress's certificate ${reasons.join("; it ")}`,
    { code: "untrusted", cause: error, hint: hintFor(presented.verdict, hasCas) },
  );
}

/** Options of {@linkcode explainRefusal}. */
export interface RefusalOptions {
  readonly target: IngressTarget;
  readonly probe: Pick<IngressProbe, "presented" | "failure">;
  /** True if there are trusted CAs in addition to the runtime's own. */
  readonly hasCas: boolean;
}

function hintFor({ step, isSignerTrusted }: Verdict, hasCas: boolean): string {
  const compare = "Compare what it presents with what is trusted: ngrokctl trust show";
  if (step !== undefined) return `${compare}; ${step}`;
  if (isSignerTrusted) {
    return `${compare}; its CA is trusted, so check ingressEndpoint, this machine's clock, and which server answers`;
  }
  if (hasCas) {
    return `${compare}; set server.ingress_ca to that CA only if its owner confirms the fingerprint`;
  }
  return `${compare}; get ngrok's CA: ngrokctl trust fetch; a CA of your own: server.ingress_ca`;
}
