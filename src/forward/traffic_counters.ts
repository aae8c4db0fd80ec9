import type { Traffic } from "../model/traffic.ts";
import type { Meter } from "./pipe.ts";

/** The connections, bytes and errors of each endpoint, by its id. */
export class TrafficCounters {
  readonly #entries = new Map<string, Entry>();

  /** Counts a connection of the endpoint as open until the meter is disposed. */
  open(endpointId: string): Meter & Disposable {
    const entry = this.#entry(endpointId);
    entry.open++;
    count(entry);
    return {
      countIn(bytes) {
        entry.bytesIn += bytes;
        entry.lastActivity = Date.now();
      },
      countOut(bytes) {
        entry.bytesOut += bytes;
        entry.lastActivity = Date.now();
      },
      [Symbol.dispose]() {
        entry.open--;
        entry.lastActivity = Date.now();
      },
    };
  }

  /** Counts a connection that did not reach the endpoint. */
  fail(endpointId: string, reason: string): void {
    const entry = this.#entry(endpointId);
    entry.errors++;
    entry.lastError = reason;
    count(entry);
  }

  /** Returns a copy of the counters of an endpoint; zeros if it had no connection. */
  snapshot(endpointId: string): Traffic {
    return { ...(this.#entries.get(endpointId) ?? emptyEntry()) };
  }

  /** Drops the counters of endpoints that are gone for good. */
  forget(endpointIds: Iterable<string>): void {
    for (const id of endpointIds) this.#entries.delete(id);
  }

  #entry(endpointId: string): Entry {
    const known = this.#entries.get(endpointId);
    if (known !== undefined) return known;
    const entry = emptyEntry();
    this.#entries.set(endpointId, entry);
    return entry;
  }
}

interface Entry {
  open: number;
  total: number;
  bytesIn: number;
  bytesOut: number;
  errors: number;
  lastActivity?: number;
  lastError?: string;
}

function emptyEntry(): Entry {
  return { open: 0, total: 0, bytesIn: 0, bytesOut: 0, errors: 0 };
}

function count(entry: Entry): void {
  entry.total++;
  entry.lastActivity = Date.now();
}
