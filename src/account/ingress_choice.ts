import { getLogger } from "@logtape/logtape";
import type { DialError, DialFailure } from "../model/errors.ts";
import { type IngressTarget, isSameTarget } from "../model/ingress_target.ts";

const log = getLogger(["ngrokd", "account"]);

/** The time after which one dial tries the ingress that the API named again. */
const RETRY_MS = 300_000;
/** The same if that dial ended without a result. */
const UNDECIDED_MS = 10_000;

/** Failures of a name that leads nowhere. With others something answers, or nothing was tried. */
const UNREACHABLE: ReadonlySet<DialFailure> = new Set(["name", "refused", "timeout", "unreachable"]);
/** Failures before the dial. A known silence is one of the ingress, so it has another class. */
const NOT_DIALLED: ReadonlySet<DialFailure> = new Set(["late", "full"]);

/**
 * Chooses the ingress: the configured one, else the one that the API named, else the default one.
 * Each dial tries the named one first, and then the default one, until the default one has answered
 * where the named one failed. Then all use the default one, and one dial every 5 minutes tries the
 * named one again. A configured one has no substitute.
 */
export class IngressChoice {
  readonly #options: IngressChoiceOptions;
  readonly #now: () => number;
  /** Set while the named one has failed and not answered since. */
  #instead: Instead | undefined;
  #namedAnswer: Answer | undefined;
  #defaultAnswer: Answer | undefined;

  constructor(options: IngressChoiceOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /** The ingress in use. */
  get target(): IngressTarget {
    const { configured, fallback } = this.#options;
    const named = this.#named();
    return configured() ?? (named === undefined || this.#provenInstead(named) ? fallback : named);
  }

  /** The reason why the ingress in use is not the one that the API named; undefined if it is. */
  get problem(): string | undefined {
    const { configured, fallback } = this.#options;
    const named = this.#named();
    const instead = configured() === undefined && named !== undefined
      ? this.#provenInstead(named)
      : undefined;
    if (named === undefined || instead === undefined) return undefined;
    return `Cannot reach ${textOf(named)}, the ingress that the API names: ${instead.error}; ` +
      `using ${textOf(fallback)}`;
  }

  /** Returns the ingress for one dial. Of the retries of the named one, only one runs at a time. */
  choose(): IngressTarget {
    const named = this.#named();
    const target = this.target;
    if (named === undefined || this.#options.configured() !== undefined) return target;
    const instead = this.#provenInstead(named);
    if (instead === undefined || this.#now() < instead.retryAt) return target;
    this.#instead = { ...instead, retryAt: this.#now() + UNDECIDED_MS };
    return named;
  }

  /** Returns true if {@linkcode afterFailure} may return the default ingress for this one. */
  mayReplace(target: IngressTarget): boolean {
    const named = this.#named();
    return this.#options.configured() === undefined && named !== undefined && isSameTarget(target, named);
  }

  /** Notes that `target` failed. Returns the ingress to try next; undefined if there is none. */
  afterFailure(target: IngressTarget, { error, startedAt }: FailedDial): IngressTarget | undefined {
    const { configured, fallback } = this.#options;
    const named = this.#named();
    if (configured() !== undefined || named === undefined || NOT_DIALLED.has(error.code)) return undefined;
    // A packet was lost, or this machine was slow.
    if (error.code === "timeout" && this.#hasAnsweredSince(target, startedAt)) return target;
    const instead = this.#provenInstead(named);
    const isUnreachable = UNREACHABLE.has(error.code);
    if (isSameTarget(target, named)) {
      // Whatever is wrong with the named one, the default one works.
      if (!isUnreachable && instead === undefined) return undefined;
      const retryAt = this.#now() + RETRY_MS;
      this.#instead = { of: named, error: error.message, retryAt, isProven: instead !== undefined };
      return fallback;
    }
    if (!isUnreachable || instead === undefined || !isSameTarget(target, fallback)) return undefined;
    // Neither can be reached: the fault is likely on this side, and the named one comes first.
    this.#instead = undefined;
    return named;
  }

  /** Notes that `target` answered. */
  answered(target: IngressTarget): void {
    const isDefault = isSameTarget(target, this.#options.fallback);
    const answer = { of: target, at: this.#now() };
    if (isDefault) this.#defaultAnswer = answer;
    else this.#namedAnswer = answer;
    const instead = this.#instead;
    if (instead === undefined) return;
    if (isSameTarget(target, instead.of)) {
      this.#instead = undefined;
      if (instead.isProven) {
        log.info("The ingress {ingress} can be reached again", { ingress: textOf(target) });
      }
    } else if (!instead.isProven && isDefault) {
      this.#instead = { ...instead, isProven: true };
      log.warn("Cannot reach the ingress {named} that the API names; using {ingress}", {
        named: textOf(instead.of),
        ingress: textOf(target),
        error: instead.error,
      });
    }
  }

  /** Tries the named one first again, because the network may have changed. */
  retryNow(): void {
    this.#instead = undefined;
  }

  /** Returns the ingress that the API named, if the default one can replace it. */
  #named(): IngressTarget | undefined {
    const named = this.#options.named();
    return named !== undefined && isSameTarget(named, this.#options.fallback) ? undefined : named;
  }

  /** Returns the failure of the named one, if the default one has answered since. */
  #provenInstead(named: IngressTarget): Instead | undefined {
    const instead = this.#instead;
    return instead?.isProven && isSameTarget(instead.of, named) ? instead : undefined;
  }

  #hasAnsweredSince(target: IngressTarget, startedAt: number): boolean {
    return [this.#namedAnswer, this.#defaultAnswer].some((answer) =>
      answer !== undefined && isSameTarget(answer.of, target) && answer.at > startedAt
    );
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

/** A dial that failed. */
export interface FailedDial {
  readonly error: DialError;
  /** The time at which the dial itself began, in milliseconds of `performance.now()`. */
  readonly startedAt: number;
}

interface Instead {
  /** The named ingress that could not be reached. */
  readonly of: IngressTarget;
  readonly error: string;
  /** The time at which one dial tries the named one again. */
  readonly retryAt: number;
  /** True if the default one has answered since. */
  readonly isProven: boolean;
}

interface Answer {
  readonly of: IngressTarget;
  readonly at: number;
}

function textOf({ hostname, port }: IngressTarget): string {
  return `${hostname}:${port}`;
}
