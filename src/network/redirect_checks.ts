import { type Redirect, redirectKey, refuseRedirects } from "../model/redirect.ts";

/** Checks that run at the same time. */
const CONCURRENCY = 8;

/**
 * Of more new redirects than this, so many stand for all: they are elements of one map, which is
 * replaced at once. 10,000 connections would take 50 MiB and seconds.
 */
const MAX_CHECKS = 500;

/** The redirects that are checked again each time; 10,000 take 157 times. */
const AGAIN = 64;

/** After so many failures the others are not checked, because each may take seconds. */
const MAX_FAILURES = 16;

const ASTRAY = "a test connection did not end at ngrokd";

/** Checks by connections where redirects lead. */
export class RedirectChecks {
  readonly #endsHere: (redirect: Redirect) => Promise<boolean>;
  /** The redirects that a connection has passed, as `from>to`. */
  #passed = new Set<string>();
  /** The index of the first redirect to check again. */
  #next = 0;

  constructor(endsHere: (redirect: Redirect) => Promise<boolean>) {
    this.#endsHere = endsHere;
  }

  /**
   * Checks the redirects that have not passed, and some of the others again: a table that another
   * program has made since can come first. Returns the reason for each that leads elsewhere, by
   * `address:port` of the held port.
   */
  async run(redirects: readonly Redirect[]): Promise<Map<string, string>> {
    // One that comes back after it was gone is a new one.
    this.#passed = new Set(redirects.map(redirectKey).filter((key) => this.#passed.has(key)));
    const again = this.#someAgain(redirects);
    // One failure may be a full queue, so the redirect is checked once more, and all others too.
    if ((await this.#findAstray(again, 1)).size > 0) this.reset();
    const unchecked = redirects.filter((redirect) => !this.#hasPassed(redirect));
    const astray = await this.#findAstray(sample(unchecked), MAX_FAILURES);
    if (unchecked.length > MAX_CHECKS && astray.size > 0) return refuseRedirects(unchecked, ASTRAY);
    for (const redirect of unchecked) if (!astray.has(redirect)) this.#passed.add(redirectKey(redirect));
    return refuseRedirects([...astray], ASTRAY);
  }

  /** Forgets which redirects have passed. */
  reset(): void {
    this.#passed.clear();
  }

  #hasPassed(redirect: Redirect): boolean {
    return this.#passed.has(redirectKey(redirect));
  }

  #someAgain(redirects: readonly Redirect[]): readonly Redirect[] {
    if (this.#next >= redirects.length) this.#next = 0;
    const some = redirects.slice(this.#next, this.#next + AGAIN);
    this.#next += AGAIN;
    return some.filter((redirect) => this.#hasPassed(redirect));
  }

  /** Returns the redirects that lead elsewhere. After `limit` of them it takes the rest as such. */
  async #findAstray(redirects: readonly Redirect[], limit: number): Promise<ReadonlySet<Redirect>> {
    const astray = new Set<Redirect>();
    const queue = redirects.values();
    const worker = async () => {
      for (const redirect of queue) {
        const isOurs = astray.size < limit && await this.#endsHere(redirect);
        if (!isOurs) astray.add(redirect);
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, worker));
    return astray;
  }
}

/** Returns all items, or some from the whole list if there are too many. */
function sample<T>(items: readonly T[]): readonly T[] {
  const step = Math.ceil(items.length / MAX_CHECKS);
  const first = Math.floor(Math.random() * step);
  return step <= 1 ? items : items.filter((_, index) => index % step === first);
}
