import type { Traffic } from "../model/traffic.ts";
import type { Meter } from "./pipe.ts";

interface Entry {
  open: number;
  total: number;
  bytesIn: number;
  bytesOut: number;
  errors: number;
  lastActivity?: number;
  lastError?: string;
}

/** Counts what goes through each endpoint, by its id. */
export class TrafficBook {
  readonly #entries = new Map<string, Entry>();

  /** Counts a connection of the endpoint as open until the meter is disposed. */
  open(endpointId: string): Meter & Disposable {
    const entry = this.#entry(endpointId);
    entry.open++;
    touch(entry);
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
    touch(entry);
  }

  /** The counts of an endpoint at this moment; zeros if nothing came. */
  snapshot(endpointId: string): Traffic {
    return { ...(this.#entries.get(endpointId) ?? emptyEntry()) };
  }

  /** Drops the counts of endpoints that are gone for good. */
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

function emptyEntry(): Entry {
  return { open: 0, total: 0, bytesIn: 0, bytesOut: 0, errors: 0 };
}

function touch(entry: Entry): void {
  entry.total++;
  entry.lastActivity = Date.now();
}
