/** The most queries that may wait for an upstream DNS server at once. */
const MAX_WAITING = 1024;
/** The most of them that may come from other machines. */
const MAX_OTHERS = 768;
/** The most of them that may come from one such address. */
const MAX_PER_SOURCE = 64;
/** The slots that a client needs for its everyday work; a client with more is a big one. */
const SHARE = 16;
/**
 * The age at which a query gives way to a newer one of the same holder. It bounds what one client
 * makes us send upstream. Unbound's `jostle-timeout` has the same default.
 */
const JOSTLE_MS = 200;

/**
 * The slots of forwarded queries. If none is free, a query takes the slot of another: of the oldest
 * query of the biggest client, or of the oldest query of all if no client is big. So a flood, also
 * with forged senders, replaces its own queries, and a query that an upstream DNS server answers in
 * time keeps its slot.
 */
export class ForwardSlots {
  readonly #local = new Holders();
  readonly #others = new Holders();

  /** Takes a slot; undefined if the client itself is the biggest. Never waits. */
  take(client: ForwardClient): ForwardSlot | undefined {
    const { holder, isLocal, isUdp } = client;
    const [own, all] = isLocal ? [this.#local, MAX_WAITING] : [this.#others, MAX_OTHERS];
    const isFull = own.size >= all || this.#local.size + this.#others.size >= MAX_WAITING;
    const held = own.count(holder);
    if (!isLocal && held >= MAX_PER_SOURCE) {
      if (!own.replaceOldest(holder)) return undefined;
    } else if (isFull) {
      // Other machines have less than their part here, so this machine has more than its own.
      const from = isLocal || this.#others.size >= MAX_OTHERS ? own : this.#local;
      const victim = from.victim(holder);
      if (victim !== holder || held <= SHARE) from.endOldest(victim);
      // A client that uses TCP waits for its replies instead, because its sender cannot be forged.
      else if (!isUdp || !own.replaceOldest(holder)) return undefined;
    }
    return own.add(holder);
  }

  /** Returns true if more than half of the slots that a client may take are in use. */
  isShort({ holder, isLocal }: ForwardClient): boolean {
    const [own, all] = isLocal ? [this.#local, MAX_WAITING] : [this.#others, MAX_OTHERS];
    return own.size > all / 2 || (!isLocal && own.count(holder) > MAX_PER_SOURCE / 2);
  }
}

/** The client of a query. */
export interface ForwardClient {
  /**
   * Whoever holds the slot: the address of another machine; of this machine, whose programs all
   * have one address, the UDP port or an object for the TCP connection.
   */
  readonly holder: unknown;
  /** True for a program of this machine. */
  readonly isLocal: boolean;
  readonly isUdp: boolean;
}

/** The slot of one query, which disposing frees. */
export interface ForwardSlot extends Disposable {
  /** Resolves when another query has taken the slot. */
  readonly lost: Promise<undefined>;
}

/** Slots by holder, in the order in which they were taken. */
class Holders {
  readonly #all = new Set<OpenSlot>();
  readonly #slots = new Map<unknown, Set<OpenSlot>>();

  get size(): number {
    return this.#all.size;
  }

  count(holder: unknown): number {
    return this.#slots.get(holder)?.size ?? 0;
  }

  add(holder: unknown): ForwardSlot {
    const { promise: lost, resolve } = Promise.withResolvers<undefined>();
    const slot: OpenSlot = { holder, since: performance.now(), end: () => resolve(undefined) };
    const slots = this.#slots.get(holder);
    if (slots === undefined) this.#slots.set(holder, new Set([slot]));
    else slots.add(slot);
    this.#all.add(slot);
    return { lost, [Symbol.dispose]: () => this.#remove(slot) };
  }

  /**
   * The holder that loses a slot: the biggest one, which is `newcomer` if no other has more, or the
   * one with the oldest slot.
   */
  victim(newcomer: unknown): unknown {
    let [biggest, most] = [newcomer, Math.max(SHARE, this.count(newcomer))];
    for (const [holder, { size }] of this.#slots) if (size > most) [biggest, most] = [holder, size];
    if (most > SHARE) return biggest;
    const [oldest] = this.#all;
    return oldest?.holder;
  }

  /** Ends the oldest slot of a holder, if it is old enough. */
  replaceOldest(holder: unknown): boolean {
    const [oldest] = this.#slots.get(holder) ?? [];
    if (oldest === undefined || performance.now() - oldest.since < JOSTLE_MS) return false;
    this.endOldest(holder);
    return true;
  }

  endOldest(holder: unknown): void {
    const [oldest] = this.#slots.get(holder) ?? [];
    if (oldest === undefined) return;
    this.#remove(oldest);
    oldest.end();
  }

  #remove(slot: OpenSlot): void {
    if (!this.#all.delete(slot)) return;
    const slots = this.#slots.get(slot.holder)!;
    slots.delete(slot);
    if (slots.size === 0) this.#slots.delete(slot.holder);
  }
}

interface OpenSlot {
  readonly holder: unknown;
  /** By `performance.now()`. */
  readonly since: number;
  end(): void;
}
