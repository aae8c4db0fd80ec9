import { getLogger } from "@logtape/logtape";
import { type Cidr, cidrContains, formatCidr, parseIpv4 } from "../lib/ipv4.ts";
import { Mutex } from "../lib/mutex.ts";
import type { StatusReport } from "../model/report.ts";
import type { AddressDriver } from "./driver.ts";
import { LO } from "./ip_plan.ts";
import { intoLoopback, LOOPBACK } from "./loopback.ts";
import type { SubnetMemory } from "./subnet_memory.ts";

const log = getLogger(["ngrokd", "network"]);

/** What the addresses are kept with. */
export interface AddressesOptions {
  readonly driver: AddressDriver;
  /** The configured subnet. */
  readonly subnet: Cidr;
  readonly memory: Pick<SubnetMemory, "recall" | "remember">;
  /** The IPv4 addresses of this machine. */
  readonly ownAddresses: () => readonly string[];
  /** Who else may connect to listeners that are not virtual. */
  readonly allowed: () => readonly Cidr[];
}

/** The addresses as the control path wants them, who may connect to them, and how they stand for `status`. */
export class Addresses {
  readonly #options: AddressesOptions;
  readonly #mutex = new Mutex();
  #closed = false;
  #wanted: Cidr | undefined;
  #subnet: Cidr;
  #reason: string | undefined;
  /** Why addresses cannot be bound now. */
  #trouble: string | undefined;
  /** Every subnet of this run: a listener of an earlier one is virtual until it is closed. */
  readonly #virtual = new Map<string, Cidr>();

  constructor(options: AddressesOptions) {
    this.#options = options;
    this.#subnet = options.subnet;
  }

  /** The subnet that is really used. */
  get subnet(): Cidr {
    return this.#subnet;
  }

  /** What is used in its place where an interface can be made, and where none can. */
  get equivalentSubnets(): readonly Cidr[] {
    const wanted = this.#wanted ?? this.#options.subnet;
    return [wanted, intoLoopback(wanted)].filter((twin) => formatCidr(twin) !== formatCidr(this.#subnet));
  }

  /** Makes ready for addresses of this subnet, or of the one that the driver chooses instead. */
  prepare(wanted: Cidr): Promise<void> {
    return this.#mutex.run(async () => {
      if (this.#wanted !== undefined && formatCidr(this.#wanted) === formatCidr(wanted)) return;
      await this.#prepare(wanted);
    });
  }

  /** Makes them bindable, and restores what was removed under us; the reason for each that is not. */
  ensure(addresses: readonly string[]): Promise<ReadonlyMap<string, string>> {
    return this.#mutex.run(async () => {
      const { driver } = this.#options;
      const support = driver.supported();
      if (!support.supported) return new Map(addresses.map((address) => [address, support.reason]));
      await this.#restore();
      return await driver.ensure(addresses);
    });
  }

  /**
   * Whether a peer may connect to a listener. Linux answers for its addresses on every interface, so that a neighbour which routes our
   * subnet to this machine reaches virtual listeners: only peers of this machine may (DESIGN.md decision 3). A local client's source is
   * the very address that it dials, unless it chose another. Other listeners serve the networks that the user allows too.
   */
  admits(peer: string, listener: string): boolean {
    const { allowed, ownAddresses } = this.#options;
    const local = parseIpv4(listener.slice(0, listener.lastIndexOf(":")));
    const remote = parseIpv4(peer);
    if (remote === undefined) return false;
    const isShared = local === undefined || !this.#isVirtual(local);
    if (isShared && allowed().some((network) => cidrContains(network, remote))) return true;
    return this.#isVirtual(remote) || cidrContains(LOOPBACK, remote) ||
      ownAddresses().includes(peer);
  }

  /** Whether they are on an interface of our own. */
  get link(): boolean {
    const { linkKind } = this.#options.driver;
    return linkKind !== undefined && linkKind !== LO;
  }

  /** Makes nothing any more, whoever asks; waits for what is under way. */
  close(): Promise<void> {
    this.#closed = true;
    return this.#mutex.run(() => Promise.resolve());
  }

  get report(): StatusReport["addresses"] {
    const { driver } = this.#options;
    const support = driver.supported();
    const reasons = support.supported ? [this.#reason, this.#trouble] : [support.reason];
    const said = reasons.filter((reason) => reason !== undefined);
    return {
      driver: driver.kind,
      kind: driver.linkKind ?? null,
      subnet: formatCidr(this.#subnet),
      reason: said.length === 0 ? null : said.join("; "),
    };
  }

  async #prepare(wanted: Cidr): Promise<void> {
    if (this.#closed) return;
    const { driver, memory } = this.#options;
    const { subnet, reason, remember, failure } = await driver.prepare(wanted, await memory.recall(wanted));
    if (remember) await memory.remember(wanted, subnet);
    if (reason !== undefined && reason !== this.#reason) log.warn("{reason}", { reason });
    this.#wanted = wanted;
    this.#subnet = subnet;
    this.#reason = reason;
    this.#trouble = failure;
    this.#virtual.set(formatCidr(subnet), subnet);
  }

  /** State is observed: an interface, address or route that is gone is made again. Said once, however long it lasts. */
  async #restore(): Promise<void> {
    const before = this.#trouble;
    const trouble = await this.#options.driver.observe() ?? before;
    if (trouble === undefined || this.#wanted === undefined) return;
    if (trouble !== before) log.warn("Addresses cannot be used: {trouble}", { trouble });
    await this.#prepare(this.#wanted);
    this.#trouble ??= await this.#options.driver.observe();
    if (this.#trouble === undefined) log.info("Addresses can be used again");
    else if (this.#trouble !== before) {
      log.error("Cannot restore addresses: {trouble}", { trouble: this.#trouble });
    }
  }

  #isVirtual(address: number): boolean {
    return this.#virtual.values().some((subnet) => cidrContains(subnet, address));
  }
}
