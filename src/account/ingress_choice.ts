import { getLogger } from "@logtape/logtape";
import type { DialError, DialFailure } from "../model/errors.ts";
import { type IngressTarget, isSameTarget } from "../model/ingress_target.ts";

const log = getLogger(["ngrokd", "account"]);

/** The time after which the ingress that the API named is tried again. */
const RETRY_MS = 300_000;

/** Failures of a name that leads nowhere. With all others something answers there. */
const UNREACHABLE: ReadonlySet<DialFailure> = new Set([
  "name",
  "refused",
  "timeout",
  "reset",
  "proxy",
  "other",
]);

/**
 * Chooses the ingress: the configured one, else the one that the API named, else the default one.
 * While the one that the API named cannot be reached, and the default one can, that is used; the
 * named one is tried again every 5 minutes. A configured one has no substitute.
 */
export class IngressChoice {
  readonly #options: IngressChoiceOptions;
  readonly #now: () => number;
  /** Set while the default one is used, or tried, instead of the named one. */
  #instead: Instead | undefined;

  constructor(options: IngressChoiceOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /** The ingress for new connections. */
  get target(): IngressTarget {
    const { configured, fallback } = this.#options;
    const named = this.#named();
    return configured() ?? (named === undefined || this.#isUsed(named) ? fallback : named);
  }

  /** The reason why the ingress in use is not the one that the API named; undefined if it is. */
  get problem(): string | undefined {
    const { configured, fallback } = this.#options;
    const named = this.#named();
    if (configured() !== undefined || named === undefined || !this.#instead?.isProven) return undefined;
    if (!isSameTarget(this.#instead.of, named)) return undefined;
    return `Cannot reach ${textOf(named)}, the ingress that the API names: ${this.#instead.error}; ` +
      `using ${textOf(fallback)}`;
  }

  /** Returns true if {@linkcode afterFailure} may return the default ingress for this one. */
  mayReplace(target: IngressTarget): boolean {
    const named = this.#named();
    return this.#options.configured() === undefined && named !== undefined && isSameTarget(target, named);
  }

  /** Notes that `target` failed. Returns the ingress to try next; undefined if there is none. */
  afterFailure(target: IngressTarget, error: DialError): IngressTarget | undefined {
    const { configured, fallback } = this.#options;
    const named = this.#named();
    if (configured() !== undefined || named === undefined || !UNREACHABLE.has(error.code)) return undefined;
    if (isSameTarget(target, named)) {
      const isProven = this.#instead?.isProven ?? false;
      this.#instead = { of: named, error: error.message, retryAt: this.#now() + RETRY_MS, isProven };
      return fallback;
    }
    if (!isSameTarget(target, fallback) || this.#instead === undefined) return undefined;
    // Neither can be reached: the fault is likely on this side, and the named one comes first.
    this.#instead = undefined;
    return named;
  }

  /** Notes that `target` answered. */
  answered(target: IngressTarget): void {
    const instead = this.#instead;
    if (instead === undefined) return;
    if (isSameTarget(target, instead.of)) {
      this.#instead = undefined;
      if (instead.isProven) {
        log.info("The ingress {ingress} can be reached again", { ingress: textOf(target) });
      }
    } else if (!instead.isProven && isSameTarget(target, this.#options.fallback)) {
      this.#instead = { ...instead, isProven: true };
      log.warn("Cannot reach the ingress {named} that the API names; using {ingress}", {
        named: textOf(instead.of),
        ingress: textOf(target),
        error: instead.error,
      });
    }
  }

  /** Returns the ingress that the API named, if the default one can replace it. */
  #named(): IngressTarget | undefined {
    const named = this.#options.named();
    return named !== undefined && isSameTarget(named, this.#options.fallback) ? undefined : named;
  }

  #isUsed(named: IngressTarget): boolean {
    const instead = this.#instead;
    return instead !== undefined && isSameTarget(instead.of, named) && this.#now() < instead.retryAt;
  }
}

/** Options of {@linkcode IngressChoice}. */
export interface IngressChoiceOptions {
  /** The key `ingressEndpoint`. */
  readonly configured: () => IngressTarget | undefined;
  /** The ingress that the API named, if it may be dialled. */
  readonly named: () => IngressTarget | undefined;
  /** The default ingress. */
  readonly fallback: IngressTarget;
  /** Returns the monotonic time in milliseconds. */
  readonly now?: () => number;
}

interface Instead {
  /** The named ingress that could not be reached. */
  readonly of: IngressTarget;
  readonly error: string;
  readonly retryAt: number;
  /** True if the default one has answered since. */
  readonly isProven: boolean;
}

function textOf({ hostname, port }: IngressTarget): string {
  return `${hostname}:${port}`;
}
