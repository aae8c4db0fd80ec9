import { type Claim, holdersOf } from "./shares.ts";

/**
 * The most that the kernel's buffers of one direction are taken to hold: by default 4 MiB to send
 * (tcp_wmem), and some that the other socket has received meanwhile.
 */
const MAX_DIRECTION_BYTES = 8 * 2 ** 20;
/** The work of one pass is bounded; the next pass goes on. */
const MAX_PER_PASS = 128;

/**
 * Estimates the bytes that peers have not taken yet. The runtime does not tell the size of a
 * socket's buffers, but while a write waits, the buffers hold at most all that the direction moved.
 */
export class UnsentBytes {
  readonly #total = { in: 0, out: 0 };

  /** Returns the bytes of all connections in one direction: to the ingress, or from it. */
  total(direction: Direction): number {
    return this.#total[direction];
  }

  /** Begins to count a connection, until it is disposed. */
  open(): UnsentOfConnection {
    const directions = { in: { moved: 0, waiting: 0 }, out: { moved: 0, waiting: 0 } };
    const change = (direction: Direction, waiting: number): void => {
      this.#total[direction] += waiting - directions[direction].waiting;
      directions[direction].waiting = waiting;
    };
    return {
      bytes: (direction) => directions[direction].waiting,
      begin(direction, bytes) {
        change(direction, Math.min(directions[direction].moved + bytes, MAX_DIRECTION_BYTES));
      },
      end(direction, bytes) {
        directions[direction].moved += bytes;
        change(direction, 0);
      },
      [Symbol.dispose]() {
        change("in", 0);
        change("out", 0);
      },
    };
  }
}

/** The unsent bytes of one connection. */
export interface UnsentOfConnection extends Disposable {
  bytes(direction: Direction): number;
  begin(direction: Direction, bytes: number): void;
  end(direction: Direction, bytes: number): void;
}

/** To the ingress, or from it. */
export type Direction = "in" | "out";

/**
 * Chooses connections to end until `excess` bytes for clients are gone: each time the longest idle
 * one of the endpoint or network with the most of them. Those that moved bytes after `before` stay.
 * Returns each with the name of that holder.
 */
export function chooseStalled<T extends Stalled>(all: readonly T[], options: ChooseOptions): Chosen<T>[] {
  const { excess, before } = options;
  const holders = new Map<string, { bytes: number; queue: T[] }>();
  for (const held of [...all].sort((a, b) => a.movedAt - b.movedAt)) {
    for (const name of holdersOf(held)) {
      const holder = holders.get(name) ?? { bytes: 0, queue: [] };
      holders.set(name, holder);
      holder.bytes += held.unsent.bytes("out");
      if (held.movedAt <= before) holder.queue.push(held);
    }
  }
  const chosen = new Map<T, string>();
  for (let left = excess; left > 0 && chosen.size < MAX_PER_PASS;) {
    let most: { name: string; held: T; bytes: number } | undefined;
    for (const [name, { bytes, queue }] of holders) {
      while (queue.length > 0 && chosen.has(queue[0]!)) queue.shift();
      const [held] = queue;
      if (held !== undefined && bytes > (most?.bytes ?? 0)) most = { name, held, bytes };
    }
    if (most === undefined) break;
    const { name, held } = most;
    chosen.set(held, name);
    const bytes = held.unsent.bytes("out");
    for (const other of holdersOf(held)) holders.get(other)!.bytes -= bytes;
    left -= bytes;
  }
  return [...chosen].map(([held, holder]) => ({ held, holder }));
}

/** Options of {@linkcode chooseStalled}. */
export interface ChooseOptions {
  readonly excess: number;
  /** In milliseconds of `performance.now()`. */
  readonly before: number;
}

interface Stalled extends Claim {
  readonly movedAt: number;
  readonly unsent: Pick<UnsentOfConnection, "bytes">;
}

interface Chosen<T> {
  readonly held: T;
  /** The name of the holder that it was chosen for. */
  readonly holder: string;
}
