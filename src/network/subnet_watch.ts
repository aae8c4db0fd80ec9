import { getLogger } from "@logtape/logtape";
import { type Cidr, cidrsContain, formatCidr } from "../lib/ipv4.ts";
import { OnChange } from "../lib/on_change.ts";
import type { StatusReport } from "../model/report.ts";
import type { Addresses } from "./addresses.ts";
import { describeOverlaps, isForEverything, type Overlap } from "./overlaps.ts";

const log = getLogger(["ngrokd", "network"]);

const MOVE = "To move ngrokd to another subnet, which ends open connections: ngrokctl rebind";
const CHANGE_RULE =
  "No other subnet helps. Change the rule before the one for the table local: ip -4 rule show";

/**
 * Finds routes of other programs, such as VPNs, that come later and overlap with our subnet. Moves
 * the addresses to another subnet while nobody uses them, or on demand.
 */
export class SubnetWatch {
  readonly #options: SubnetWatchOptions;
  readonly #onOverlap = new OnChange();
  readonly #onFailure = new OnChange();
  #overlaps: readonly Overlap[] = [];
  /** The overlaps in a sentence. */
  #overlap: string | undefined;
  /** The reason why the last check could not look for overlaps; those of an earlier one count. */
  #failure: string | undefined;

  constructor(options: SubnetWatchOptions) {
    this.#options = options;
  }

  /** The state of the addresses, with the overlap that is left. */
  get report(): StatusReport["addresses"] {
    const { report } = this.#options.addresses;
    const reasons = [report.reason ?? undefined, this.#overlap, this.#failureText];
    const known = reasons.filter((reason) => reason !== undefined);
    return { ...report, reason: known.length === 0 ? null : known.join("; "), hint: this.#hint ?? null };
  }

  /** The reason why addresses cannot be bound, or else why they should move or nobody can tell. */
  get problem(): string | undefined {
    return this.#options.addresses.problem ?? this.#failureText ?? this.#overlap;
  }

  /** The next step if there is an overlap with every subnet. */
  get ruleHint(): string | undefined {
    return this.#overlaps.some(isForEverything) ? CHANGE_RULE : undefined;
  }

  /** Looks for overlaps. Called before each round, which then uses the new subnet. */
  async check(): Promise<void> {
    const { addresses, isInUse } = this.#options;
    await this.#find();
    if (this.#failure === undefined && this.#overlap !== undefined && !isInUse(addresses.subnet)) {
      const moved = await this.#move(this.#overlap, (from) => !isInUse(from));
      if (moved !== undefined) await this.#find();
    }
    this.#onOverlap.report(this.#overlap, (error) => {
      log.warn("The virtual addresses overlap with another network: {error}", { error, hint: this.#hint });
    });
    this.#onFailure.report(this.#failure, (error) => {
      log.warn("Cannot look for overlapping networks: {error}", { error });
    });
  }

  /**
   * Moves to the subnet that a first start would choose now, and ends the connections to the old
   * addresses. No round may run, because it would open listeners there, and one must follow.
   * The result has neither if the addresses stay.
   */
  async rebind(): Promise<RebindOutcome> {
    await this.#find();
    if (this.#failure !== undefined) return { failure: this.#failure };
    const moved = await this.#move("a client asked for it", () => true);
    if (moved === undefined) return this.#failure === undefined ? {} : { failure: this.#failure };
    await this.#find();
    return { moved };
  }

  get #failureText(): string | undefined {
    return this.#failure && `Cannot look for overlapping networks: ${this.#failure}`;
  }

  get #hint(): string | undefined {
    return this.#overlaps.length === 0 ? undefined : this.ruleHint ?? MOVE;
  }

  /** Looks for overlaps. Those that are known stay if nobody can tell. */
  async #find(): Promise<void> {
    const { addresses } = this.#options;
    const { overlaps, failure } = await addresses.findOverlaps();
    this.#failure = failure;
    if (overlaps === undefined) return;
    this.#overlaps = overlaps;
    this.#overlap = describeOverlaps(addresses.subnet, overlaps);
  }

  async #move(reason: string, mayMove: (from: Cidr) => boolean): Promise<Rebound | undefined> {
    const { addresses, closeListeners, endConnections } = this.#options;
    let ended = 0;
    const { moved, failure } = await addresses.move(async (from) => {
      // Without their addresses, connections would hang until the timeouts of TCP.
      await closeListeners(isIn(from));
      // Somebody may have connected before that. The next round opens the listeners again.
      if (!mayMove(from)) return false;
      ended = await endConnections(isIn(from));
      return true;
    });
    if (failure !== undefined) this.#failure = failure;
    if (moved === undefined) return undefined;
    const [from, to] = [formatCidr(moved.from), formatCidr(moved.to)];
    log.warn("Moved the virtual addresses from {from} to {to}: {reason}", { from, to, reason, ended });
    return { from, to, ended };
  }
}

/** Options of {@linkcode SubnetWatch}. */
export interface SubnetWatchOptions {
  readonly addresses: Addresses;
  /** Returns true while somebody is connected to the addresses, or was a short time ago. */
  readonly isInUse: (subnet: Cidr) => boolean;
  /** Stops accepting on matching listeners, by their keys. Their connections go on. */
  readonly closeListeners: (matches: (key: string) => boolean) => Promise<void>;
  /** Ends the connections to matching listeners, by their keys, and returns their number. */
  readonly endConnections: (matches: (key: string) => boolean) => Promise<number>;
}

/** The change that a client asked for, or the reason why nobody can tell where to move. */
export interface RebindOutcome {
  readonly moved?: Rebound;
  readonly failure?: string;
}

/** A change of the subnet. */
export interface Rebound {
  readonly from: string;
  readonly to: string;
  /** The number of connections that were ended. */
  readonly ended: number;
}

/** Returns a function that is true for the key of a listener (`address:port`) in the subnet. */
export function isIn(subnet: Cidr): (key: string) => boolean {
  return (key) => cidrsContain([subnet], key.slice(0, key.lastIndexOf(":")));
}
