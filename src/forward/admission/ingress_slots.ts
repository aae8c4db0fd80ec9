import { type Refusal, SlotRefusals } from "./slot_refusals.ts";
import type { DialError } from "../../model/errors.ts";
import { type Claim, Shares } from "./shares.ts";
import { EvictionLog } from "./eviction_log.ts";
import type { Slot } from "./connection_slots.ts";
import { StuckUploads } from "./stuck_uploads.ts";
import {
  type ChooseOptions,
  chooseStalled,
  type Direction,
  STALLED_MS,
  UnsentBytes,
} from "./unsent_bytes.ts";

/** A transfer whose bytes moved within this time is active. */
const ACTIVE_MS = 1_000;
/** Replaces `STALLED_MS` while no slot is free or the unsent bytes are twice their bound. */
const PRESSED_STALLED_MS = 15_000;
/** A stalled upload keeps its slot for this time after its end. */
const CLOSED_MS = 600_000;
/** The time between two notes of activity, so that a busy connection does not pay for each read. */
const NOTE_MS = 250;
const SWEEP_MS = 500;
/** Connections that may wait: this number, or an eighth of the slots if that is more. */
const MIN_WAITING = 16;

/**
 * The slots for connections to the ingress. Nobody is refused for its share: while slots are free,
 * anybody may hold any number. When all are taken, the longest idle connection of the biggest
 * holder (an endpoint, a network of clients, or all local programs) gives way to the new one; an
 * active one does so only for a holder of less than half the size (docs/reliability.md R74). Stuck
 * uploads give way last, and only while they have more than half of the slots, because the end of
 * one frees no memory. Endpoints with stalled uploads get no more slots then.
 */
export class IngressSlots {
  readonly max: number;
  readonly #options: IngressSlotsOptions;
  readonly #shares = new Shares<Held>();
  readonly #stuck = new StuckUploads<Held>();
  readonly #waiting = new Set<Waiter>();
  readonly #log: EvictionLog;
  readonly #unsent = new UnsentBytes();
  readonly #refusals = new SlotRefusals();
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

  /** The last connection that got no slot. */
  get refusal(): Refusal | undefined {
    return this.#refusals.last;
  }

  /**
   * Takes a slot, and waits for one if no other connection gives way.
   *
   * @throws {DialError} If too many wait already, because waiting connections cost memory too; or
   * if the endpoint does not take what its clients send.
   * @throws The signal's reason, if it aborts first.
   */
  take(request: SlotRequest, signal: AbortSignal): Promise<IngressSlot> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      if (this.#isStuck(request)) return reject(this.#refusals.stuck(request.endpoint));
      if (this.#inUse < this.max || this.#giveWay(request)) return resolve(this.#grant(request));
      if (this.#waiting.size >= Math.max(MIN_WAITING, this.max / 8)) return reject(this.fullError());
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

  /** Notes that a connection gets no slot, and returns its error. */
  fullError(): DialError {
    return this.#refusals.full(this.max);
  }

  /** Returns true if the endpoint has stuck uploads, and those of all endpoints hold too much. */
  #isStuck({ endpoint }: SlotRequest): boolean {
    const isMuch = this.#unsent.total("in") > this.#options.maxUnsentBytes / 2;
    if (!this.#stuck.has(endpoint) || (!isMuch && this.#stuck.size < this.max / 2)) return false;
    const stalled = this.#stuck.stalled(this.#stalledBefore("in"));
    return (isMuch || stalled.length >= this.max / 2) && stalled.some((held) => held.endpoint === endpoint);
  }

  /** Returns the time such that a direction without progress since then is stalled. */
  #stalledBefore(direction: Direction): number {
    const isPressed = this.#inUse >= this.max || this.#unsent.total(direction) > this.#options.maxUnsentBytes;
    return performance.now() - (isPressed ? PRESSED_STALLED_MS : STALLED_MS);
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
        if (direction === "in" && this.#stuck.remove(held)) this.#shares.add(held);
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

  /**
   * Ends the use of a slot. A stalled upload keeps it for a while, because its end frees no memory.
   * If its write has waited for less, the ingress may be taking the bytes, and the slot is free.
   */
  #release(held: Held): void {
    const now = performance.now();
    if (held.unsent.since("in") > now - PRESSED_STALLED_MS) return this.#free(held);
    if (held.closedAt !== undefined) return;
    if (this.#shares.remove(held)) this.#stuck.add(held);
    held.unsent.end("out", 0);
    held.closedAt = now;
  }

  /** Frees the slot, once, and gives it to the connection that has waited the longest. */
  #free(held: Held): void {
    if (!this.#shares.remove(held) && !this.#stuck.remove(held)) return;
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
    while (this.#parkIfStuck(this.#shares.longestIdle, performance.now()));
    const { longestIdle, biggestName } = this.#shares;
    const stuck = this.#stuck.size > this.max / 2 ? this.#stuck.first : undefined;
    if (longestIdle !== undefined && this.#mayEnd(longestIdle, request)) {
      this.#log.report(biggestName, "full");
      this.#evict(longestIdle);
    } else if (stuck !== undefined && !this.#stuck.has(request.endpoint)) {
      this.#log.report(`endpoint ${stuck.endpoint}`, "full");
      this.#evict(stuck);
    } else {
      return false;
    }
    return true;
  }

  /** Returns false for an active transfer, unless the request's holder is small beside its own. */
  #mayEnd({ movedAt }: Held, request: SlotRequest): boolean {
    return performance.now() - movedAt >= ACTIVE_MS || this.#shares.isSmall(request);
  }

  /**
   * Takes an upload that waits for the ingress out of those that may give way, until it moves
   * again; returns false if it is none. The runtime keeps a TLS connection with all its memory
   * until the peer has taken what was written, even if it is closed (docs/runtime.md Memory).
   */
  #parkIfStuck(held: Held | undefined, now: number): boolean {
    if (held === undefined || held.unsent.since("in") > now - ACTIVE_MS) return false;
    this.#shares.remove(held);
    this.#stuck.add(held);
    return true;
  }

  /** Ends a connection. Its slot goes to the caller, not to the one that waits. */
  #evict(held: Held): void {
    if (!this.#shares.remove(held)) this.#stuck.remove(held);
    held.unsent[Symbol.dispose]();
    this.#inUse--;
    if (held.closedAt === undefined) held.evict();
  }

  /** Does what only the passing of time makes necessary. */
  #sweep(): void {
    this.#timer = setTimeout(() => this.#sweep(), SWEEP_MS);
    const now = performance.now();
    for (const claims of this.#shares.byGroup()) {
      for (const held of claims) this.#parkIfStuck(held, now);
    }
    for (const held of this.#stuck.all()) {
      if (held.closedAt !== undefined && held.closedAt <= now - CLOSED_MS) this.#free(held);
    }
    const idleMs = this.#options.idleTimeoutMs?.() ?? 0;
    if (idleMs > 0) this.#endIdle(now - idleMs, now);
    const excess = this.#unsent.total("out") - this.#options.maxUnsentBytes / 2;
    if (excess > 0) this.#endStalled({ excess, before: this.#stalledBefore("out") });
    for (const waiter of this.#waiting) {
      if (!this.#giveWay(waiter.request)) break;
      this.#serve(waiter);
    }
  }

  /** Ends connections without traffic since `before`. One that is not stalled yet may be slow. */
  #endIdle(before: number, now: number): void {
    for (const claims of this.#shares.byGroup()) {
      for (const held of claims) {
        if (held.movedAt > before) break;
        const since = held.unsent.since("out");
        if (since < Infinity && since > now - STALLED_MS) continue;
        this.#release(held);
        held.evict();
      }
    }
  }

  #endStalled(options: ChooseOptions): void {
    const writing: Held[] = [];
    for (const claims of this.#shares.byGroup()) {
      for (const held of claims) if (held.unsent.bytes("out") > 0) writing.push(held);
    }
    for (const held of this.#stuck.all()) if (held.unsent.bytes("out") > 0) writing.push(held);
    for (const { held, holder } of chooseStalled(writing, options)) {
      this.#log.report(holder, "unsent");
      this.#release(held);
      held.evict();
    }
  }
}

/** Options of {@linkcode IngressSlots}. */
export interface IngressSlotsOptions {
  readonly max: number;
  /**
   * The bytes that peers may leave in the kernel's buffers, half of them for each direction. Above
   * it, the longest stalled downloads end, and endpoints with stuck uploads get no more slots.
   */
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

interface Held extends SlotRequest {
  readonly unsent: ReturnType<UnsentBytes["open"]>;
  movedAt: number;
  /** The time of the end of a stalled upload. */
  closedAt?: number;
}

interface Waiter {
  readonly request: SlotRequest;
  readonly grant: () => void;
}
