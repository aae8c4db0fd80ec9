import { getLogger } from "@logtape/logtape";
import { type Cidr, formatIpv4, parseIpv4 } from "../lib/ipv4.ts";
import { BindError, type BindFailure } from "../model/errors.ts";
import { listenerKey } from "../model/route_table.ts";
import type { Binding } from "./bind.ts";
import type { ListenerEffects } from "./effects.ts";
import { FreeAddresses } from "./free_addresses.ts";
import { type Leases, usableRange } from "./leases.ts";
import { logFirst } from "./log_first.ts";

const log = getLogger(["ngrokd", "sync"]);

/** A port that is in use on so many random addresses is in use on all of them. */
const MAX_HELD = 3;

/** Sockets that one round opens at most to find addresses: somebody may hold thousands. */
const MAX_TRIES = 256;

/**
 * Exchanges the leases of names with a port that another program holds on their very address. A
 * program on 0.0.0.0 holds a port on every address, so that another lease would not help.
 */
export class LeaseExchange {
  readonly #options: LeaseExchangeOptions;
  /**
   * Port → the number of random addresses on which it was in use; -Infinity if it was free on one.
   */
  readonly #held = new Map<number, number>();
  #tries = 0;

  constructor(options: LeaseExchangeOptions) {
    this.#options = options;
  }

  /** True if the limit of tries has kept a name from another address. The next round goes on. */
  get isExhausted(): boolean {
    return this.#tries >= MAX_TRIES;
  }

  /** Returns the leases with new addresses; undefined if nothing can be exchanged. */
  async exchange(bindings: readonly Binding[], leases: Leases): Promise<Leases | undefined> {
    const virtual = bindings.filter(({ group }) => group.virtual && !group.extra);
    const held = virtual.filter(({ heldBy }) => heldBy === "program");
    if (held.length === 0) return undefined;
    const byHost = Map.groupBy(virtual, hostOf);
    const used = new Set([...leases.values()].flatMap((address) => parseIpv4(address) ?? []));
    const { subnet, random } = this.#options;
    const free = new FreeAddresses(used, { ...usableRange(subnet), random });
    const draw = () => {
      const address = free.take();
      return address === undefined ? undefined : formatIpv4(address);
    };
    const next = new Map(leases);
    const exchanged: { readonly hostname: string; readonly address: string; readonly old: string }[] = [];
    for (const host of new Set(held.map(hostOf))) {
      const address = await this.#findAddress(byHost.get(host)!, draw);
      if (address === undefined) continue;
      exchanged.push({ hostname: host, address, old: next.get(host)! });
      next.delete(host);
      next.set(host, address);
    }
    logFirst(exchanged, {
      one: (change) =>
        log.warn("Another program holds a port of {hostname} on {old}; its address is now {address}", change),
      rest: (count) => log.warn("Exchanged the addresses of {count} more names", { count }),
    });
    return exchanged.length === 0 ? undefined : next;
  }

  async #findAddress(
    bindings: readonly Binding[],
    draw: () => string | undefined,
  ): Promise<string | undefined> {
    const ports = new Set(bindings.map(({ group }) => group.port));
    const held = bindings.filter(({ heldBy }) => heldBy === "program").map(({ group }) => group.port);
    for (;;) {
      // Ports that are in use everywhere do not count.
      const needed = [...ports].filter((port) => !this.#isHeldEverywhere(port));
      if (!needed.some((port) => held.includes(port))) return undefined;
      const address = draw();
      if (address === undefined || this.isExhausted) return undefined;
      const states = await Promise.all(
        needed.map(async (port) => ({ port, state: await this.#tryToBind({ address, port }) })),
      );
      for (const { port, state } of states) if (state === "free") this.#held.set(port, -Infinity);
      if (states.every(({ state }) => state === "free")) return address;
      if (states.some(({ state }) => state !== "free" && state !== "in_use")) return undefined;
      const inUse = states.filter(({ state }) => state === "in_use");
      for (const { port } of inUse) this.#held.set(port, (this.#held.get(port) ?? 0) + 1);
    }
  }

  #isHeldEverywhere(port: number): boolean {
    return (this.#held.get(port) ?? 0) >= MAX_HELD;
  }

  async #tryToBind(
    where: { readonly address: string; readonly port: number },
  ): Promise<"free" | BindFailure> {
    const { listeners } = this.#options;
    this.#tries++;
    try {
      listeners.open(where);
    } catch (error) {
      return error instanceof BindError ? error.reason : "other";
    }
    await listeners.close(listenerKey(where.address, where.port));
    return "free";
  }
}

/** Options of {@linkcode LeaseExchange}. */
export interface LeaseExchangeOptions {
  readonly listeners: ListenerEffects;
  readonly subnet: Cidr;
  /** Returns a number in [0, 1). */
  readonly random: () => number;
}

function hostOf({ group }: Binding): string {
  return group.routes[0]!.hostname;
}
