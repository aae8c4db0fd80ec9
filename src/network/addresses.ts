import { getLogger } from "@logtape/logtape";
import {
  type Cidr,
  cidrContains,
  cidrsContain,
  formatCidr,
  isLoopbackAddress,
  isSameCidr,
  parseIpv4,
} from "../lib/ipv4.ts";
import { Mutex } from "../lib/mutex.ts";
import { OnChange } from "../lib/on_change.ts";
import { LOCALHOST } from "../model/machine_address.ts";
import type { StatusReport } from "../model/report.ts";
import { admitPeer, isLocalPeer, type LocalOptions } from "./admit_peer.ts";
import { canReplace } from "./choose_subnet.ts";
import type { AddressDriver, FoundOverlaps } from "./driver.ts";
import { LO } from "./ip_plan.ts";
import { toLoopbackSubnet } from "./loopback_subnet.ts";
import { OwnAddresses } from "./own_addresses.ts";
import type { SubnetMemory } from "./subnet_memory.ts";

const log = getLogger(["ngrokd", "network"]);

/** The virtual addresses that the control path wants, with their state for `status`. */
export class Addresses {
  readonly #options: AddressesOptions;
  readonly #own: OwnAddresses;
  readonly #mutex = new Mutex();
  readonly #onReason = new OnChange();
  readonly #onProblem = new OnChange();
  readonly #onFailure = new OnChange();
  #closed = false;
  #requested: Cidr | undefined;
  /** The subnet that an earlier run used instead of the requested one. */
  #remembered: Cidr | undefined;
  /** The subnet before the last move. */
  #movedFrom: Cidr | undefined;
  #subnet: Cidr;
  #reason: string | undefined;
  /** The reason why addresses cannot be bound now. */
  #problem: string | undefined;
  /** All subnets of this run: a listener of an earlier one is virtual until it is closed. */
  readonly #virtual = new Map<string, Cidr>();
  /** The subnet that a move is leaving: connections to it would lose their address. */
  #leaving: Cidr | undefined;

  constructor(options: AddressesOptions) {
    this.#options = options;
    this.#own = new OwnAddresses(options.ownAddresses);
    this.#subnet = options.subnet;
  }

  /** The subnet in use. */
  get subnet(): Cidr {
    return this.#subnet;
  }

  /**
   * The subnets that replace this one if an interface can be created, if none can, or while others
   * use the requested one, and the one that it has replaced in this run.
   */
  get equivalentSubnets(): readonly Cidr[] {
    const requested = this.#requested ?? this.#options.subnet;
    const used = formatCidr(this.#subnet);
    const others = [requested, toLoopbackSubnet(requested), this.#remembered, this.#movedFrom];
    return others.filter((subnet) => subnet !== undefined).filter((subnet) => formatCidr(subnet) !== used);
  }

  /** Returns true for an address of the subnet in use, or of one that replaces it. */
  isVirtual(address: string): boolean {
    return cidrsContain([this.#subnet, ...this.equivalentSubnets], address);
  }

  /** The reason why addresses cannot be bound now. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** True if the addresses are on an interface that ngrokd created. */
  get hasInterface(): boolean {
    const { linkKind } = this.#options.driver;
    return linkKind !== undefined && linkKind !== LO;
  }

  /** True if ngrokd has created the subnet, by an interface or a route of its own. */
  get hasOwnSubnet(): boolean {
    return this.#options.driver.linkKind !== undefined;
  }

  /** The damage of the file with the subnet of the last run; undefined if there is none. */
  get memoryProblem(): string | undefined {
    return this.#options.memory.problem;
  }

  get report(): StatusReport["addresses"] {
    const { driver } = this.#options;
    const support = driver.supported();
    const reasons = support.supported ? [this.#reason, this.#problem] : [support.reason];
    const known = reasons.filter((reason) => reason !== undefined);
    return {
      driver: driver.kind,
      kind: driver.linkKind ?? null,
      subnet: formatCidr(this.#subnet),
      reason: known.length === 0 ? null : known.join("; "),
      hint: null,
    };
  }

  /** Prepares this subnet, or the one that the driver chooses instead. */
  prepare(requested: Cidr): Promise<void> {
    return this.#mutex.run(async () => {
      if (this.#requested !== undefined && isSameCidr(this.#requested, requested)) return;
      this.#movedFrom = undefined;
      await this.#prepare(requested, await this.#options.memory.recall(requested));
    });
  }

  /** Finds the routes of others that overlap with the subnet now. */
  findOverlaps(): Promise<FoundOverlaps> {
    return this.#mutex.run(async () => await this.#options.driver.findOverlaps?.() ?? { overlaps: [] });
  }

  /**
   * Moves to the subnet that would be chosen now if nothing was remembered. `before` runs first,
   * and cancels the move by returning false. The addresses also stay if they are in that subnet
   * already, if there is none, or if it cannot be prepared.
   */
  move(before: (from: Cidr) => Promise<boolean>): Promise<MoveOutcome> {
    return this.#mutex.run(async () => {
      const { driver, memory } = this.#options;
      const [from, requested] = [this.#subnet, this.#requested];
      if (requested === undefined || this.#closed) return {};
      const { subnet: chosen, failure } = await driver.choose?.(requested) ?? {};
      if (failure !== undefined) return { failure };
      if (chosen === undefined || isSameCidr(chosen, from)) return {};
      this.#leaving = from;
      try {
        if (!await before(from)) return {};
        this.#movedFrom = from;
        await this.#prepare(requested, undefined);
      } finally {
        this.#leaving = undefined;
      }
      const to = this.#subnet;
      if (isSameCidr(to, from)) return {};
      // The next start must not return to the subnet that was left.
      if (isSameCidr(to, requested)) await memory.remember(requested, requested);
      return { moved: { from, to } };
    });
  }

  /** Makes addresses bindable, and restores what was removed. Returns failures with reasons. */
  ensure(addresses: readonly string[], revision?: number): Promise<ReadonlyMap<string, string>> {
    return this.#mutex.run(async () => {
      const { driver } = this.#options;
      const support = driver.supported();
      if (!support.supported) return new Map(addresses.map((address) => [address, support.reason]));
      await this.#restore();
      return await driver.ensure(addresses, revision);
    });
  }

  /**
   * Returns true if a peer may connect to a listener (`address:port`), by the rule of
   * {@linkcode admitPeer}. Virtual listeners are not shared, although Linux accepts packets for
   * them on every interface: a neighbour with a route to the subnet could reach them. Nobody may
   * connect to a subnet that is being left.
   */
  admits(peer: string, listener: string): boolean {
    const address = parseIpv4(listener.slice(0, listener.lastIndexOf(":")));
    const isIn = (subnet: Cidr) => address !== undefined && cidrContains(subnet, address);
    if (this.#leaving !== undefined && isIn(this.#leaving)) return false;
    return admitPeer(peer, {
      isShared: ![...this.#virtual.values()].some(isIn),
      allowed: this.#options.allowed(),
      ...this.#local(),
    });
  }

  /**
   * Returns true for an IPv4 address that this machine has or just had, virtual ones of the present
   * subnet included.
   */
  isOwn(address: string): boolean {
    return isLocalPeer(address, this.#local());
  }

  /**
   * Returns the address at which clients reach a listener on every address: the first one of this
   * machine that is neither a loopback nor a virtual one, as in the Go daemon's DNS answers.
   */
  shared(): string {
    const { virtual } = this.#local();
    const isShared = (address: string) =>
      parseIpv4(address) !== undefined && !isLoopbackAddress(address) && !cidrsContain(virtual, address);
    try {
      return this.#options.ownAddresses().find(isShared) ?? LOCALHOST;
    } catch {
      // Listing the addresses needs a descriptor. Without one, this machine can still dial.
      return LOCALHOST;
    }
  }

  /** Waits for a running change; none is made after that. */
  close(): Promise<void> {
    this.#closed = true;
    return this.#mutex.run(() => Promise.resolve());
  }

  /** After a move the subnet that was left belongs to others: the hosts of a VPN are in it. */
  #local(): LocalOptions {
    return {
      virtual: this.#requested === undefined ? [] : [this.#subnet],
      isOwn: (address) => this.#own.has(address),
    };
  }

  async #prepare(requested: Cidr, remembered: Cidr | undefined): Promise<void> {
    if (this.#closed) return;
    const { driver, memory } = this.#options;
    const prepared = await driver.prepare(requested, remembered);
    const { subnet, reason, remember, failure } = prepared;
    if (remember) await memory.remember(requested, subnet);
    this.#onReason.report(
      reason,
      () => log.warn("Cannot use the configured subnet: {error}", { error: reason }),
    );
    this.#requested = requested;
    this.#remembered = remembered && canReplace(requested, remembered) ? remembered : undefined;
    this.#subnet = subnet;
    this.#reason = reason;
    this.#problem = failure;
    this.#virtual.set(formatCidr(subnet), subnet);
  }

  /** Restores an interface, address or route that is missing. */
  async #restore(): Promise<void> {
    const { driver } = this.#options;
    const problem = await driver.findProblem() ?? this.#problem;
    if (problem === undefined || this.#requested === undefined) return;
    this.#onProblem.report(
      problem,
      () => log.warn("Cannot use virtual addresses: {error}", { error: problem }),
    );
    // Connections survive a short gap, but no change of the subnet, so a conflict is none here.
    if (!this.#closed && await driver.restore?.()) this.#problem = undefined;
    else await this.#prepare(this.#requested, await this.#options.memory.recall(this.#requested));
    this.#problem ??= await driver.findProblem();
    this.#onFailure.report(this.#problem, (problem) => {
      log.error("Cannot restore virtual addresses: {error}", { error: problem });
    });
    if (this.#problem !== undefined) return;
    this.#onProblem.report(undefined, () => {});
    log.info("Restored virtual addresses");
  }
}

/** The result of a move. It has neither if the addresses stay where they are. */
export interface MoveOutcome {
  readonly moved?: { readonly from: Cidr; readonly to: Cidr };
  /** The reason why nobody can tell where to move. */
  readonly failure?: string;
}

/** Options of {@linkcode Addresses}. */
export interface AddressesOptions {
  readonly driver: AddressDriver;
  /** The configured subnet. */
  readonly subnet: Cidr;
  readonly memory: Pick<SubnetMemory, "recall" | "remember" | "problem">;
  /** The networks that may connect to shared listeners. */
  readonly allowed: () => readonly Cidr[];
  /** Lists the IPv4 addresses of this machine. */
  readonly ownAddresses: () => readonly string[];
}
