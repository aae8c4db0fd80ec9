import { getLogger } from "@logtape/logtape";
import { Mutex } from "../lib/mutex.ts";
import { OnChange } from "../lib/on_change.ts";
import { CANNOT_START, CommandError, messageOf } from "../model/errors.ts";
import { type Redirect, redirectKey, refuseRedirects } from "../model/redirect.ts";
import { NftProgram, type RunWithInput } from "./nft_program.ts";
import { RedirectChecks } from "./redirect_checks.ts";

const log = getLogger(["ngrokd", "network"]);

/** Exit codes of nft: it could not start, and it refused. */
const UNCHANGED: readonly number[] = [CANNOT_START, 1];

/**
 * Leads connections of this machine for ports that other programs hold to the ports that ngrokd
 * has, by a table of nftables. A redirect counts only after a connection through it has ended at
 * ngrokd's own listener.
 */
export class Redirects {
  readonly #options: RedirectsOptions;
  readonly #nft: NftProgram;
  readonly #mutex = new Mutex();
  readonly #onProblem = new OnChange();
  readonly #checks: RedirectChecks;
  /** The table that was made and read; undefined if there is none of this run. */
  #made: { readonly redirects: readonly Redirect[]; readonly frame: string } | undefined;
  /** The redirects that the kernel may have; undefined if those of an earlier run may be left. */
  #possible: readonly Redirect[] | undefined;
  #closed = false;

  constructor(options: RedirectsOptions) {
    this.#options = options;
    this.#possible = options.isLeft ? undefined : [];
    this.#nft = new NftProgram(options.run);
    this.#checks = new RedirectChecks(options.endsHere);
  }

  /** Returns the redirects of this run that the kernel may have. */
  observe(): readonly Redirect[] {
    return this.#possible ?? [];
  }

  /**
   * Makes exactly these redirects, and restores them if another program removed them. Returns the
   * reason for each that does not work, or that could not be removed, by `address:port` of the held
   * port.
   *
   * @throws {CommandError} If unknown redirects of an earlier run cannot be removed.
   */
  ensure(redirects: readonly Redirect[]): Promise<ReadonlyMap<string, string>> {
    return this.#mutex.run(async () => {
      if (this.#closed) return refuseRedirects(redirects, "ngrokd is stopping");
      const unavailable = this.#options.unavailable();
      try {
        if (redirects.length === 0 || unavailable !== undefined) await this.#remove();
        else await this.#make(redirects);
      } catch (error) {
        this.#checks.reset();
        const problem = messageOf(error);
        this.#onProblem.report(
          problem,
          () => log.warn("Cannot redirect held ports: {error}", { error: problem }),
        );
        if (this.#possible === undefined && !hasNotStarted(error)) throw error;
        return refuseRedirects([...this.#possible ?? [], ...redirects], problem);
      }
      this.#onProblem.report(undefined, () => {});
      return unavailable === undefined
        ? await this.#checks.run(redirects)
        : refuseRedirects(redirects, unavailable);
    });
  }

  /** Waits for a running change; none is made after that. */
  close(): Promise<void> {
    this.#closed = true;
    return this.#mutex.run(() => Promise.resolve());
  }

  async #make(redirects: readonly Redirect[]): Promise<void> {
    if (await this.#isInPlace(redirects)) return;
    await this.#options.record();
    const before = this.#possible;
    this.#possible = before && [...before, ...redirects];
    try {
      await this.#nft.replace(redirects);
    } catch (error) {
      // One transaction: nothing was made if nft could not start or refused it.
      if (error instanceof CommandError && UNCHANGED.includes(error.exitCode)) {
        this.#possible = before;
        if (before?.length === 0) await this.#options.forget();
      }
      throw error;
    }
    this.#possible = redirects;
    this.#made = undefined;
    // Without the redirects: thousands take tens of megabytes to read, here at the worst moment.
    this.#made = { redirects, frame: await this.#nft.frame() };
    log.info("Redirected held ports", { count: redirects.length });
  }

  /** Another program may have flushed or changed the table since it was made. */
  async #isInPlace(redirects: readonly Redirect[]): Promise<boolean> {
    const made = this.#made;
    if (made === undefined) return false;
    const isWanted = redirects === made.redirects || areSame(redirects, made.redirects);
    if (!isWanted) return false;
    // If the table is gone, nft fails.
    const now = await this.#nft.list().catch(() => undefined);
    const isSame = now !== undefined && now.frame === made.frame && now.holds(redirects);
    if (isSame) return true;
    log.warn("Another program removed or changed the redirects of held ports; restoring them");
    this.#checks.reset();
    return false;
  }

  async #remove(): Promise<void> {
    if (this.#possible?.length === 0) return;
    await this.#nft.delete();
    this.#made = undefined;
    this.#possible = [];
    this.#checks.reset();
    await this.#options.forget();
    log.info("Removed the redirects of held ports");
  }
}

/** Options of {@linkcode Redirects}. */
export interface RedirectsOptions {
  readonly run: RunWithInput;
  /** True if redirects of an earlier run could not be removed. @default {false} */
  readonly isLeft?: boolean;
  /** Returns the reason why nothing can be redirected; undefined if it can. */
  readonly unavailable: () => string | undefined;
  /** Called before the table is made. */
  readonly record: () => Promise<unknown>;
  /** Called after it has been removed. */
  readonly forget: () => Promise<void>;
  /** Returns true if a connection to the held port ends at ngrokd's listener. */
  readonly endsHere: (redirect: Redirect) => Promise<boolean>;
}

/** A machine where nft cannot start has no redirects, unless somebody has removed the program. */
function hasNotStarted(error: unknown): boolean {
  return error instanceof CommandError && error.exitCode === CANNOT_START;
}

function areSame(a: readonly Redirect[], b: readonly Redirect[]): boolean {
  return a.length === b.length &&
    a.every((redirect, index) => redirectKey(redirect) === redirectKey(b[index]!));
}
