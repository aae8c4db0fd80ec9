import { listenerKey } from "../model/route_table.ts";
import type { TcpAddress } from "../system/tcp.ts";

/** The time after which a server is tried again. */
const REMEMBERED_MS = 60 * 60 * 1000;
/** Packets get lost, so one answer to a question in lower case proves nothing. */
const MAX_LOST = 3;
const MAX_SERVERS = 64;

/** The upstream DNS servers that do not return a question in the case in which it was asked. */
export class CaseMemory implements Cases {
  readonly #servers = new Map<string, { lost: number; until: number }>();

  /** Returns true if the case of a reply of this server means nothing. */
  ignoresCase(server: TcpAddress): boolean {
    return this.#entry(server).until > performance.now();
  }

  /** Notes a reply by UDP in the case of the question. */
  noteKept(server: TcpAddress): void {
    this.#entry(server).lost = 0;
  }

  /** Notes a reply to a question in lower case, after one in mixed case got none. */
  noteLost(server: TcpAddress): void {
    if (++this.#entry(server).lost >= MAX_LOST) this.remember(server);
  }

  /** Asks this server in lower case for an hour. */
  remember(server: TcpAddress): void {
    const entry = this.#entry(server);
    entry.lost = 0;
    entry.until = performance.now() + REMEMBERED_MS;
  }

  #entry({ address, port }: TcpAddress): { lost: number; until: number } {
    const key = listenerKey(address, port);
    let entry = this.#servers.get(key);
    if (entry === undefined) {
      if (this.#servers.size >= MAX_SERVERS) this.#servers.clear();
      this.#servers.set(key, entry = { lost: 0, until: -Infinity });
    }
    return entry;
  }
}

/** The part of {@linkcode CaseMemory} that an exchange needs. */
export interface Cases {
  ignoresCase(server: TcpAddress): boolean;
  noteKept(server: TcpAddress): void;
}
