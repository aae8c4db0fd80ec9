import { getLogger } from "@logtape/logtape";
import { isLoopbackAddress } from "../../lib/ipv4.ts";
import type { Slot } from "./connection_slots.ts";

const log = getLogger(["ngrokd", "forward"]);

const UNLIMITED: Slot = { [Symbol.dispose]: () => {} };

/**
 * Limits the upstream connections of each client on the network, so that one client cannot take all
 * of them (docs/reliability.md R25). Programs on this machine have no limit: they connect from the
 * same address that they connect to, or from 127.0.0.0/8.
 */
export class ClientSlots {
  readonly max: number;
  readonly #inUse = new Map<string, number>();
  /** Clients at their limit that the log has already named. */
  readonly #warned = new Set<string>();

  constructor(max: number) {
    this.max = max;
  }

  /** Takes a slot of the client, unless it has none left. */
  take({ peer, local }: Client): Slot | undefined {
    if (peer === local || isLoopbackAddress(peer)) return UNLIMITED;
    const inUse = this.#inUse.get(peer) ?? 0;
    if (inUse >= this.max) {
      this.#warn(peer);
      return undefined;
    }
    this.#inUse.set(peer, inUse + 1);
    let held = true;
    return {
      [Symbol.dispose]: () => {
        if (held) this.#free(peer);
        held = false;
      },
    };
  }

  #free(peer: string): void {
    const left = this.#inUse.get(peer)! - 1;
    if (left > 0) {
      this.#inUse.set(peer, left);
      return;
    }
    this.#inUse.delete(peer);
    this.#warned.delete(peer);
  }

  #warn(peer: string): void {
    if (this.#warned.has(peer)) return;
    this.#warned.add(peer);
    log.warn("Client {peer} reached its limit of {max} connections; refusing more", { peer, max: this.max });
  }
}

/** The address of a client, and the address of this machine that it connected to. */
export interface Client {
  readonly peer: string;
  readonly local?: string | undefined;
}
