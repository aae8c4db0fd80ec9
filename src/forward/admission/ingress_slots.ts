import { type Claim, Shares } from "./shares.ts";
import { EvictionLog } from "./eviction_log.ts";
import type { Slot } from "./connection_slots.ts";
import { chooseStalled, UnsentBytes } from "./unsent_bytes.ts";

/** A transfer whose bytes moved within this time is active. */
const ACTIVE_MS = 1_000;
/** The time between two notes of activity, so that a busy connection does not pay for each read. */
const NOTE_MS = 250;
const SWEEP_MS = 500;
/** Connections that may wait: this number, or an eighth of the slots if that is more. */
const MIN_WAITING = 16;

/**
 * The slots for connections to the ingress. Nobody is refused for its share: while slots are free,
 * anybody may hold any number. When all are taken, the longest idle connection of the biggest
 * holder (an endpoint, or a network of clients) gives way to the new one; an active one does so
 * only for a holder of less than half the size (docs/reliability.md R74).
 */
export class IngressSlots {
  readonly max: number;
  readonly #options: IngressSlotsOptions;
  readonly #shares = new Shares<Held>();
  readonly #waiting = new Set<Waiter>();
  readonly #log: EvictionLog;
  readonly #unsent = new UnsentBytes();
  #inUse = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: IngressSlotsOptions) {
    this.#options = options;
    this.max = options.max;
    this.#log = new EvictionLog(options.max);
  }

  get inUse(): number {
    return this.#inUse;
  }

  /**
   * Takes a slot, and waits for one if no other connection gives way. Returns undefined if too many
   * wait already: waiting connections cost memory too.
   *
   * @throws The signal's reason, if it aborts first.
   */
  take(request: SlotRequest, signal: AbortSignal): Promise<IngressSlot | undefined> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      if (this.#inUse < this.max || this.#giveWay(request)) return resolve(this.#grant(request));
      if (this.#waiting.size >= Math.max(MIN_WAITING, this.max / 8)) return resolve(undefined);
      const onAbort = (): void => {
        this.#waiting.delete(waiter);
        reject(signal.reason);
      };
      const waiter = {
        request,
        grant: () => {
          signal.removeEventListener("abort", onAbort);
          resolve(this.#grant(request));
        },
      };
      this.#waiting.add(waiter);
      signal.addEventListener("abort", onAbort, { once: true });
    });
  }

  #grant({ endpoint, source, evict }: SlotRequest): IngressSlot {
    const unsent = this.#unsent.open();
    const held: Held = { endpoint, source, evict, unsent, movedAt: performance.now() };
    this.#inUse++;
    this.#shares.add(held);
    this.#timer ??= setTimeout(() => this.#sweep(), SWEEP_MS);
    return {
      writes: (direction, bytes) => unsent.begin(direction, bytes),
      moved: (direction, bytes) => {
        unsent.end(direction, bytes);
        this.#touch(held);
      },
      [Symbol.dispose]: () => this.#release(held),
    };
  }

  #touch(held: Held): void {
    const now = performance.now();
    if (now - held.movedAt < NOTE_MS) return;
    held.movedAt = now;
    this.#shares.touch(held);
  }

  /** Frees the slot, once, and gives it to the connection that has waited the longest. */
  #release(held: Held): void {
    if (!this.#shares.remove(held)) return;
    held.unsent[Symbol.dispose]();
    this.#inUse--;
    const [next] = this.#waiting;
    if (next !== undefined) this.#serve(next);
    if (this.#inUse > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #serve(waiter: Waiter): void {
    this.#waiting.delete(waiter);
    waiter.grant();
  }

  /** Ends the longest idle connection of the biggest holder; false if it is too active for that. */
  #giveWay(request: SlotRequest): boolean {
    const { longestIdle, biggest } = this.#shares;
    if (longestIdle === undefined || biggest === undefined) return false;
    const isActive = performance.now() - longestIdle.movedAt < ACTIVE_MS;
    if (isActive && 2 * (this.#shares.countOf(request) + 1) > biggest.count) return false;
    this.#log.report(biggest.name, "full");
    this.#evict(longestIdle);
    return true;
  }

  /** Ends a connection. Its slot goes to the caller, not to the one that waits. */
  #evict(held: Held): void {
    this.#shares.remove(held);
    held.unsent[Symbol.dispose]();
    this.#inUse--;
    held.evict();
  }

  /** Does what only the passing of time makes necessary. */
  #sweep(): void {
    this.#timer = setTimeout(() => this.#sweep(), SWEEP_MS);
    const now = performance.now();
    const idleMs = this.#options.idleTimeoutMs?.() ?? 0;
    if (idleMs > 0) this.#endIdle(now - idleMs);
    if (this.#unsent.total > this.#options.maxUnsentBytes) this.#endStalled(now);
    for (const waiter of this.#waiting) {
      if (!this.#giveWay(waiter.request)) break;
      this.#serve(waiter);
    }
  }

  #endIdle(before: number): void {
    for (const claims of this.#shares.byGroup()) {
      for (const held of claims) {
        if (held.movedAt > before) break;
        this.#release(held);
        held.evict();
      }
    }
  }

  #endStalled(now: number): void {
    const writing: Held[] = [];
    for (const claims of this.#shares.byGroup()) {
      for (const held of claims) if (held.unsent.bytes > 0) writing.push(held);
    }
    const excess = this.#unsent.total - this.#options.maxUnsentBytes;
    for (const { held, holder } of chooseStalled(writing, { excess, before: now - ACTIVE_MS })) {
      this.#log.report(holder, "unsent");
      this.#release(held);
      held.evict();
    }
  }
}

/** Options of {@linkcode IngressSlots}. */
export interface IngressSlotsOptions {
  readonly max: number;
  /** Above this number of bytes that peers have not taken, the longest stalled connections end. */
  readonly maxUnsentBytes: number;
  /** Returns the time after which an idle connection ends. @default 0: it never does */
  readonly idleTimeoutMs?: () => number;
}

/** A connection that wants a slot. */
export interface SlotRequest extends Claim {
  /** Ends the connection, because another one needs its slot or its memory. */
  readonly evict: () => void;
}

/** Permission for one connection to the ingress, and the record of its activity. */
export interface IngressSlot extends Slot {
  /** Notes that a write of so many bytes begins. */
  writes(direction: Direction, bytes: number): void;
  /** Notes that so many bytes were written. */
  moved(direction: Direction, bytes: number): void;
}

/** To the ingress, or from it. */
export type Direction = "in" | "out";

interface Held extends SlotRequest {
  readonly unsent: ReturnType<UnsentBytes["open"]>;
  movedAt: number;
}

interface Waiter {
  readonly request: SlotRequest;
  readonly grant: () => void;
}
