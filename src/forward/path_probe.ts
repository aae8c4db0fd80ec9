import type { Attempts } from "../lib/attempts.ts";
import { backoffDelay } from "../lib/backoff.ts";
import { serviceKey } from "../model/endpoint.ts";
import { DialError, messageOf, UpgradeError } from "../model/errors.ts";
import { showProxy } from "../model/proxy.ts";
import type { Route } from "../model/route_table.ts";
import { sleep } from "../system/clock.ts";
import { isInDoubt, type ProbeOccasion } from "./choose_probe.ts";
import type { IngressHealth } from "./ingress_health.ts";
import { probePath, type ProbePathOptions } from "./probe_path.ts";
import { ProbeTurns } from "./probe_turns.ts";
import { isRefusal } from "./upgrade.ts";

/** The time between two looks at what has changed. */
const CHECK_MS = 2_000;
/** The delay of the first probe after a failure; it doubles while the ingress does not answer. */
const RETRY_MS = 5_000;
/** The longest delay while the ingress does not answer. */
const MAX_RETRY_MS = 60_000;

/**
 * Probes the way to the ingress, one probe at a time: after a change of the certificate, the
 * ingress or the network, while it fails, and if no connection has shown for
 * `server.probe_interval` that it works.
 */
export class PathProbe {
  readonly #options: PathProbeOptions;
  readonly #turns = new ProbeTurns();
  #subject = "";
  #isRequested = false;
  #lastAt = -Infinity;
  /** The probes in a row after which the ingress still fails. */
  #failures = 0;
  /** True if the last probe was the first success of an endpoint that was failing. */
  #hasRecovered = false;

  constructor(options: PathProbeOptions) {
    this.#options = options;
  }

  /** Probes until the signal aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await sleep(this.#options.checkMs ?? CHECK_MS, { signal }).catch(() => {});
      const occasion = signal.aborted ? undefined : this.#occasion();
      if (occasion !== undefined) await this.#probe(occasion, signal);
    }
  }

  /** Makes the next probe follow within 2 s, because the network may have changed. */
  request(): void {
    this.#isRequested = true;
  }

  /** Returns the reason to probe now; undefined if there is none. */
  #occasion(): ProbeOccasion | undefined {
    const { access, health, retryMs = RETRY_MS } = this.#options;
    const intervalMs = this.#options.intervalMs();
    if (intervalMs === 0 || access.clientPair() === undefined) return undefined;
    if (this.#isRequested || this.#subject !== this.#currentSubject()) return "change";
    const now = performance.now();
    const sinceLast = now - this.#lastAt;
    if (health.report().state === "failing") {
      const maxMs = Math.min(MAX_RETRY_MS, intervalMs);
      const waitMs = backoffDelay(Math.max(1, this.#failures), { baseMs: retryMs, maxMs });
      return sinceLast >= waitMs ? "retry" : undefined;
    }
    const refused = this.#refused();
    if (sinceLast >= retryMs && this.#isInDoubt(refused)) return "refused";
    const isAnyFailing = [...refused.values()].includes(true);
    if (sinceLast >= retryMs && this.#hasRecovered && isAnyFailing) return "recovery";
    // Traffic of others does not show that a failing endpoint works again.
    const provenAt = isAnyFailing ? this.#lastAt : Math.max(health.provenAt, this.#lastAt);
    return now - provenAt >= intervalMs ? "idle" : undefined;
  }

  async #probe(occasion: ProbeOccasion, signal: AbortSignal): Promise<void> {
    const { attempts, health } = this.#options;
    this.#isRequested = false;
    this.#subject = this.#currentSubject();
    this.#hasRecovered = false;
    const refused = this.#refused();
    const route = this.#choose(occasion, refused);
    const service = route === undefined ? undefined : serviceKey(route);
    const wasFailing = service !== undefined && refused.has(service);
    let failure: unknown;
    using attempt = attempts.begin(signal);
    try {
      await probePath(route, { ...this.#options, signal: attempt.signal });
      if (service === undefined) health.recordReached();
      else health.recordSuccess(service);
      this.#hasRecovered = wasFailing;
      // A TLS handshake alone does not show that upgrades work again.
      this.#failures = health.report().state === "failing" ? this.#failures + 1 : 0;
    } catch (error) {
      failure = error;
      if (signal.aborted) return;
      if (attempt.isCancelled) this.#isRequested = true;
      else this.#fail(service, error);
    } finally {
      this.#lastAt = performance.now();
      if (route !== undefined) this.#turns.record(route, { wasFailing, error: failure });
    }
  }

  #choose(occasion: ProbeOccasion, refused: ReadonlyMap<string, boolean>): Route | undefined {
    const { health, mayUpgrade, routes } = this.#options;
    if (!mayUpgrade()) return undefined;
    const intervalMs = this.#options.intervalMs();
    return this.#turns.next(routes(), {
      occasion,
      refused,
      unanswered: health.unanswered,
      intervalMs,
      isProven: performance.now() - health.provenAt < intervalMs,
    });
  }

  #fail(service: string | undefined, error: unknown): void {
    const isKnown = error instanceof DialError || error instanceof UpgradeError;
    const failure = isKnown
      ? error
      : new DialError(`Cannot probe the ingress: ${messageOf(error)}`, { code: "other", cause: error });
    this.#failures = isRefusal(failure) ? 0 : this.#failures + 1;
    this.#options.health.recordProbeFailure(service, failure);
  }

  #refused(): ReadonlyMap<string, boolean> {
    return new Map(this.#options.health.endpoints.refused);
  }

  /** Returns true if an endpoint was refused, not often enough to be failing. */
  #isInDoubt(refused: ReadonlyMap<string, boolean>): boolean {
    if (refused.size === 0 || !this.#options.mayUpgrade()) return false;
    return this.#options.routes().some((route) => isInDoubt(route, refused));
  }

  /** Returns what a probe depends on: another value needs another probe. */
  #currentSubject(): string {
    const { access, routes } = this.#options;
    const { hostname, port } = access.ingress();
    const proxy = access.proxy?.();
    const via = proxy === undefined ? "" : showProxy(proxy);
    return [hostname, port, via, access.clientPair()?.cert, routes().length > 0].join();
  }
}

/** Options of {@linkcode PathProbe}. */
export interface PathProbeOptions extends Omit<ProbePathOptions, "signal"> {
  /** The dials and upgrades that a change of network cancels. */
  readonly attempts: Attempts;
  readonly health: IngressHealth;
  readonly routes: () => readonly Route[];
  /** `server.probe_interval`; 0 switches all probes off. */
  readonly intervalMs: () => number;
  /** `server.probe_endpoints`: false ends a probe after the TLS handshake. */
  readonly mayUpgrade: () => boolean;
  /** @default {2_000} */
  readonly checkMs?: number | undefined;
  /** @default {5_000} */
  readonly retryMs?: number | undefined;
}
