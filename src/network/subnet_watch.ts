import { getLogger } from "@logtape/logtape";
import { type Cidr, cidrContains, formatCidr, parseIpv4 } from "../lib/ipv4.ts";
import { OnChange } from "../lib/on_change.ts";
import type { StatusReport } from "../model/report.ts";
import type { Addresses } from "./addresses.ts";
import { describeOverlaps } from "./overlaps.ts";

const log = getLogger(["ngrokd", "network"]);

const HINT = "To move ngrokd to another subnet, which ends open connections: ngrokctl rebind";

/**
 * Finds routes of other programs, such as VPNs, that come later and overlap with our subnet. Moves
 * the addresses to another subnet while nobody uses them, or on demand.
 */
export class SubnetWatch {
  readonly #options: SubnetWatchOptions;
  readonly #onOverlap = new OnChange();
  #overlap: string | undefined;

  constructor(options: SubnetWatchOptions) {
    this.#options = options;
  }

  /** The state of the addresses, with the overlap that is left. */
  get report(): StatusReport["addresses"] {
    const { report } = this.#options.addresses;
    if (this.#overlap === undefined) return report;
    return { ...report, reason: [report.reason ?? [], this.#overlap].flat().join("; "), hint: HINT };
  }

  /** The overlap that the last check found, if the addresses could not move. */
  get overlap(): string | undefined {
    return this.#overlap;
  }

  /** The reason why addresses cannot be bound, or else the overlap. */
  get problem(): string | undefined {
    return this.#options.addresses.problem ?? this.#overlap;
  }

  /** Looks for overlaps. Called before each round, which then uses the new subnet. */
  async check(): Promise<void> {
    const { addresses, isInUse } = this.#options;
    let overlap = await this.#find();
    if (overlap !== undefined && !isInUse(addresses.subnet)) {
      const moved = await this.#move(overlap);
      if (moved !== undefined) overlap = await this.#find();
    }
    this.#overlap = overlap;
    this.#onOverlap.report(overlap, (error) => {
      log.warn("The virtual addresses overlap with another network: {error}", { error, hint: HINT });
    });
  }

  /**
   * Moves to the subnet that a first start would choose now, and ends the connections to the old
   * addresses. A round must follow. Undefined if the addresses stay.
   */
  async rebind(): Promise<Rebound | undefined> {
    const moved = await this.#move("a client asked for it");
    this.#overlap = await this.#find();
    return moved;
  }

  async #find(): Promise<string | undefined> {
    const { addresses } = this.#options;
    return describeOverlaps(addresses.subnet, await addresses.findOverlaps());
  }

  async #move(reason: string): Promise<Rebound | undefined> {
    const { addresses, endConnections } = this.#options;
    let ended = 0;
    const moved = await addresses.move(async (from) => {
      // Without their addresses they would hang until the timeouts of TCP.
      ended = await endConnections(isIn(from));
    });
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
  /** Ends the connections to matching listeners, by their keys, and returns their number. */
  readonly endConnections: (matches: (key: string) => boolean) => Promise<number>;
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
  return (key) => {
    const address = parseIpv4(key.slice(0, key.lastIndexOf(":")));
    return address !== undefined && cidrContains(subnet, address);
  };
}
