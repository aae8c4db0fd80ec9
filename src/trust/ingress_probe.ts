import { getLogger } from "@logtape/logtape";
import { hintOf, messageOf } from "../model/errors.ts";
import { type IngressTarget, isSameTarget } from "../model/ingress_target.ts";
import type { Proxy } from "../model/proxy.ts";
import type { System } from "../system/system.ts";
import { isNearExpiry } from "../x509/expiry.ts";
import { parseChain, type ParsedCertificate } from "../x509/parse_certificate.ts";
import { judgeChain, type Verdict } from "./judge_chain.ts";
import { ProbePause } from "./probe_pause.ts";
import type { TrustedCa } from "./trusted_ca.ts";
import type { TrustSet } from "./trust_set.ts";

const log = getLogger(["ngrokd", "trust"]);

const TIMEOUT_MS = 5_000;
/**
 * The age at which a probe is repeated when a connection succeeds, since certificates are renewed.
 */
const STALE_MS = 6 * 3_600_000;

/**
 * Probes the ingress: reads its certificates on a connection that carries nothing, finds out why
 * they are not trusted, and learns its CA if that is listed (docs/decisions/0012). A probe never
 * lets a connection through. The CA that it learns does, when the next dial verifies the ingress.
 */
export class IngressProbe implements AsyncDisposable {
  readonly #options: IngressProbeOptions;
  readonly #pause = new ProbePause();
  #running: Promise<void> | undefined;
  #abort = new AbortController();
  #isClosed = false;
  #presented: Presented | undefined;
  #failure: ProbeFailure | undefined;

  constructor(options: IngressProbeOptions) {
    this.#options = options;
  }

  /** The certificates that the last successful probe read. */
  get presented(): Presented | undefined {
    return this.#presented;
  }

  /** The failure of the last probe; undefined if it was successful. */
  get failure(): ProbeFailure | undefined {
    return this.#failure;
  }

  /**
   * Probes an ingress, once for all callers at a time, and at most once a minute. After a probe
   * without a reason, awaited ones may follow after 5 s. Never rejects.
   */
  run(target: IngressTarget, { isAwaited = true } = {}): Promise<void> {
    if (this.#running !== undefined) return this.#running;
    const { revision } = this.#options.trust;
    if (this.#isClosed || !this.#pause.isOver({ target, revision }, { isAwaited })) return Promise.resolve();
    const { signal } = this.#abort = new AbortController();
    this.#running = this.#probe(target, signal)
      .catch((error) => {
        if (!signal.aborted) this.#noteFailure(error, target);
      })
      .finally(() => this.#running = undefined);
    return this.#running;
  }

  /** Aborts a running probe and ends the pause, because the network may have changed. */
  retry(): void {
    this.#pause.lift();
    this.#abort.abort(new DOMException("The network may have changed", "AbortError"));
  }

  /** Returns true if a success of this ingress is a reason to probe it again. */
  isStale(target: IngressTarget): boolean {
    const seen = this.#presented;
    if (seen === undefined || !isSameTarget(seen.target, target) || seen.verdict.reasons.length > 0) {
      return true;
    }
    const nowMs = Date.now();
    // The clock may have been set back. A certificate near its end will be replaced.
    return Math.abs(nowMs - seen.at) > STALE_MS ||
      seen.chain.some((certificate) => isNearExpiry(certificate, nowMs));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#abort.abort(new DOMException("ngrokd is shutting down", "AbortError"));
    await this.#running;
  }

  async #probe(target: IngressTarget, signal: AbortSignal): Promise<void> {
    const { probeChain, trust, proxy } = this.#options;
    const { certificates, byRoots } = await probeChain({
      ...target,
      timeoutMs: TIMEOUT_MS,
      proxy: proxy?.(),
      signal,
    });
    const chain = parseChain(certificates);
    const nowMs = Date.now();
    const judge = (cas: readonly TrustedCa[]): Verdict =>
      judgeChain(chain, {
        hostname: target.hostname,
        cas,
        unusable: trust.unusable,
        byRoots: byRoots !== "untrusted",
        listed: trust.listed,
        nowMs,
      });
    let verdict = judge(trust.cas);
    if (verdict.ca === undefined && byRoots === "trusted") verdict = { ...verdict, reasons: [] };
    else if (!verdict.isSignerTrusted) {
      const file = trust.learnt.path;
      const candidates = chain.filter((certificate) => trust.learnt.mayLearn(certificate, nowMs))
        .map((certificate): TrustedCa => ({ certificate, source: "learnt", file }));
      const better = judge([...candidates, ...trust.cas]);
      const { ca, reasons } = better;
      if (ca !== undefined) verdict = better;
      // The CA of a certificate with other problems need not be learnt.
      if (ca !== undefined && reasons.length === 0) await trust.learn(ca.certificate);
    }
    // The result of an earlier network explains nothing.
    signal.throwIfAborted();
    this.#presented = { target, at: nowMs, chain, verdict };
    this.#failure = undefined;
    // Begins after a CA was learnt, so that the new CA alone does not permit another probe.
    this.#pause.begin({ target, revision: trust.revision }, { hasReasons: verdict.reasons.length > 0 });
  }

  #noteFailure(error: unknown, target: IngressTarget): void {
    const message = messageOf(error);
    this.#pause.begin({ target, revision: this.#options.trust.revision }, { hasReasons: false });
    // The same failure can come every few seconds.
    if (message !== this.#failure?.message) {
      log.warn("Cannot read the ingress's certificates: {error}", { error: message });
    }
    this.#failure = { target, message, hint: hintOf(error) };
  }
}

/** Options of {@linkcode IngressProbe}. */
export interface IngressProbeOptions {
  readonly probeChain: System["probeChain"];
  readonly trust: TrustSet;
  /** The proxy to the ingress. Each probe reads it again. */
  readonly proxy?: () => Proxy | undefined;
}

/** The certificates that an ingress presented, and the verdict on them. */
export interface Presented {
  readonly target: IngressTarget;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly chain: readonly ParsedCertificate[];
  readonly verdict: Verdict;
}

/** The reason why a probe failed. */
export interface ProbeFailure {
  readonly target: IngressTarget;
  readonly message: string;
  readonly hint: string | undefined;
}
