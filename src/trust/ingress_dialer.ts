import { getLogger } from "@logtape/logtape";
import { isNearExpiry } from "../x509/expiry.ts";
import { judgeChain, type TrustedCa, type Verdict } from "./judge_chain.ts";
import { parseChain, type ParsedCertificate } from "../x509/parse_certificate.ts";
import { DialError, hintOf, messageOf } from "../model/errors.ts";
import type { Proxy } from "../model/proxy.ts";
import { withDeadline } from "../system/clock.ts";
import type { ByteStream, TlsDialOptions } from "../system/net.ts";
import type { System } from "../system/system.ts";
import { type IngressTarget, isSameTarget } from "../model/ingress_target.ts";
import { ProbePause } from "./probe_pause.ts";
import type { TrustSet } from "./trust_set.ts";

const log = getLogger(["ngrokd", "identity"]);

const PROBE_TIMEOUT_MS = 5_000;
/** After that, what was seen is looked at anew when a connection succeeds: certificates are renewed. */
const STALE_MS = 6 * 3_600_000;

const UNSEEN_HINT = "Nothing is to be trusted unseen; see what it presents: ngrokctl trust show";

/** What the ingress presented when it was last looked at. */
export interface Presented {
  readonly target: IngressTarget;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly chain: readonly ParsedCertificate[];
  readonly verdict: Verdict;
}

/** Why the last look at the ingress came to nothing. */
export interface ProbeFailure {
  readonly target: IngressTarget;
  readonly message: string;
  readonly hint: string | undefined;
}

/** What {@linkcode IngressDialer} needs. */
export interface IngressDialerOptions {
  readonly connect: System["connectTls"];
  readonly probe: System["probeChain"];
  readonly trust: TrustSet;
  /** The way to the ingress; read anew for each look. */
  readonly proxy?: () => Proxy | undefined;
}

/**
 * Connects to the ingress; explains why it is not trusted, and learns its CA if that is listed (DESIGN.md decision 7). For both it looks
 * at the chain on a connection of its own, which carries nothing. What it sees there never lets a connection through: the CA that it
 * learns does, by the verification of the next dial.
 */
export class IngressDialer implements AsyncDisposable {
  readonly #options: IngressDialerOptions;
  readonly #pause = new ProbePause();
  #running: Promise<void> | undefined;
  /** Breaks off the look that runs. */
  #probing = new AbortController();
  #isClosed = false;
  #presented: Presented | undefined;
  #failure: ProbeFailure | undefined;

  constructor(options: IngressDialerOptions) {
    this.#options = options;
  }

  /** What was seen last; undefined if there was no look yet. */
  get presented(): Presented | undefined {
    return this.#presented;
  }

  /** Undefined if the last look showed something. */
  get probeFailure(): ProbeFailure | undefined {
    return this.#failure;
  }

  /** As {@linkcode System.connectTls}, with the trust set's CAs. */
  async connect(options: TlsDialOptions): Promise<ByteStream> {
    const { hostname, port, timeoutMs, signal } = options;
    const { connect, trust } = this.#options;
    const target = { hostname, port };
    const end = performance.now() + timeoutMs;
    const { pems } = trust;
    try {
      const stream = await connect({ ...options, caCerts: pems });
      if (this.#isStale(target)) void this.probe(target, { isAwaited: false });
      return stream;
    } catch (error) {
      if (!isUntrusted(error)) throw error;
      await withDeadline(this.probe(target), { ms: end - performance.now(), signal, onTimeout: () => error });
      if (trust.pems === pems) throw this.#explain(error, target);
      try {
        // Once: what has been learnt counts for all that follow.
        return await connect({
          ...options,
          caCerts: trust.pems,
          timeoutMs: Math.max(1, end - performance.now()),
        });
      } catch (again) {
        throw isUntrusted(again) ? this.#explain(again, target) : again;
      }
    }
  }

  /**
   * Looks at what the ingress presents, once for all who ask meanwhile, and each at most once a minute; 5 s after a look that does not say
   * what is wrong, unless nobody waits for it. Never rejects.
   */
  probe(target: IngressTarget, { isAwaited = true } = {}): Promise<void> {
    if (this.#running !== undefined) return this.#running;
    const { trust } = this.#options;
    if (this.#isClosed || !this.#pause.isOver({ target, pems: trust.pems }, { isAwaited })) {
      return Promise.resolve();
    }
    const { signal } = this.#probing = new AbortController();
    this.#running = this.#runProbe(target, signal)
      .catch((error) => {
        if (!signal.aborted) this.#noteFailure(error, target);
      })
      .finally(() => this.#running = undefined);
    return this.#running;
  }

  /** The network may be another one: a look over the earlier one is broken off, and the next need not wait. */
  retryProbe(): void {
    this.#pause.lift();
    this.#probing.abort(new DOMException("The network may be another one", "AbortError"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#probing.abort(new DOMException("ngrokd is shutting down", "AbortError"));
    await this.#running;
  }

  #noteFailure(error: unknown, target: IngressTarget): void {
    const message = messageOf(error);
    this.#pause.begin({ target, pems: this.#options.trust.pems }, { hasReasons: false });
    // It can come every few seconds.
    if (message !== this.#failure?.message) {
      log.warn("Cannot look at the certificate of the ingress: {error}", { error: message });
    }
    this.#failure = { target, message, hint: hintOf(error) };
  }

  async #runProbe(target: IngressTarget, signal: AbortSignal): Promise<void> {
    const { probe, trust } = this.#options;
    const { certificates, byRoots } = await probe({
      ...target,
      timeoutMs: PROBE_TIMEOUT_MS,
      proxy: this.#options.proxy?.(),
      signal,
    });
    const chain = await parseChain(certificates);
    const nowMs = Date.now();
    const judge = (cas: readonly TrustedCa[]): Promise<Verdict> =>
      judgeChain(chain, {
        hostname: target.hostname,
        cas,
        unusable: trust.unusable,
        byRoots: byRoots !== "untrusted",
        listed: trust.listed,
        nowMs,
      });
    let verdict = await judge(trust.cas);
    if (verdict.ca === undefined && byRoots === "trusted") verdict = { ...verdict, reasons: [] };
    else if (!verdict.isSignerTrusted) {
      const file = trust.learnt.path;
      const candidates = chain.filter((certificate) => trust.learnt.mayLearn(certificate, nowMs))
        .map((certificate): TrustedCa => ({ certificate, source: "learnt", file }));
      const better = await judge([...candidates, ...trust.cas]);
      const { ca, reasons } = better;
      // Whether the certificate is good for this connection, the next dial verifies; a CA for a bad one need not be learnt.
      if (ca !== undefined) verdict = better;
      if (ca !== undefined && reasons.length === 0) {
        await trust.learn(ca.certificate);
      }
    }
    // Of an earlier network it explains nothing any more.
    signal.throwIfAborted();
    this.#presented = { target, at: nowMs, chain, verdict };
    this.#failure = undefined;
    // After the learning, which does not open the way to another look.
    this.#pause.begin({ target, pems: trust.pems }, { hasReasons: verdict.reasons.length > 0 });
  }

  #explain(error: DialError, target: IngressTarget): DialError {
    const failure = this.#failure;
    if (failure !== undefined && isSameTarget(failure.target, target)) {
      return new DialError(
        `${error.message}; its certificate could not be looked at (${failure.message})`,
        { code: "untrusted", cause: error, hint: failure.hint ?? UNSEEN_HINT },
      );
    }
    const seen = this.#presented;
    const { hostname, port } = target;
    if (seen === undefined || seen.verdict.reasons.length === 0 || !isSameTarget(seen.target, target)) {
      return error;
    }
    return new DialError(
      `Cannot connect to ${hostname}:${port}: the ingress's certificate ${
        seen.verdict.reasons.join("; it ")
      }`,
      { code: "untrusted", cause: error, hint: hintFor(seen, this.#options.trust) },
    );
  }

  #isStale(target: IngressTarget): boolean {
    const seen = this.#presented;
    if (seen === undefined || !isSameTarget(seen.target, target) || seen.verdict.reasons.length > 0) {
      return true;
    }
    const nowMs = Date.now();
    // By either sign, for the clock may have been set back. Of a certificate that is near its end, the next one is waited for.
    return Math.abs(nowMs - seen.at) > STALE_MS ||
      seen.chain.some((certificate) => isNearExpiry(certificate, nowMs));
  }
}

function isUntrusted(error: unknown): error is DialError {
  return error instanceof DialError && error.code === "untrusted";
}

function hintFor({ verdict }: Presented, trust: TrustSet): string {
  const compare = "Compare what it presents with what is trusted: ngrokctl trust show";
  if (verdict.step !== undefined) return `${compare}; ${verdict.step}`;
  if (verdict.isSignerTrusted) {
    return `${compare}; its CA is trusted, so look at ingressEndpoint, this machine's clock, and who answers there`;
  }
  if (trust.cas.length > 0) {
    return `${compare}; only if whoever runs that CA confirms its fingerprint, give its file in server.ingress_ca`;
  }
  return `${compare}; get ngrok's CA: ngrokctl trust fetch; a CA of your own: server.ingress_ca`;
}
