import { getLogger } from "@logtape/logtape";

const log = getLogger(["ngrokd", "forward"]);

/** Where a connection is from: the address of the peer, and the one of this machine that it dialled. */
export interface Source {
  readonly peer: string;
  readonly local?: string | undefined;
}

const NO_SHARE: Disposable = { [Symbol.dispose]: () => {} };

/**
 * How many connections to the ingress one client of the network may hold, so that it cannot take the place of all others (RELIABILITY.md
 * R25). Programs on this machine have no share: they dial from the very address that they dial to, or from 127.0.0.0/8.
 */
export class SourceShares {
  readonly max: number;
  readonly #held = new Map<string, number>();
  /** Told once, until they hold nothing any more. */
  readonly #told = new Set<string>();

  constructor(max: number) {
    this.max = max;
  }

  /** A part of the source's share, until it is disposed; undefined if there is none left. */
  take({ peer, local }: Source): Disposable | undefined {
    if (peer === local || peer.startsWith("127.")) return NO_SHARE;
    const held = this.#held.get(peer) ?? 0;
    if (held >= this.max) {
      this.#tell(peer);
      return undefined;
    }
    this.#held.set(peer, held + 1);
    let isOurs = true;
    return {
      [Symbol.dispose]: () => {
        if (isOurs) this.#giveBack(peer);
        isOurs = false;
      },
    };
  }

  #giveBack(peer: string): void {
    const left = this.#held.get(peer)! - 1;
    if (left > 0) this.#held.set(peer, left);
    else {
      this.#held.delete(peer);
      this.#told.delete(peer);
    }
  }

  #tell(peer: string): void {
    if (this.#told.has(peer)) return;
    this.#told.add(peer);
    log.warn("{peer} holds {max} connections, as many as one client may: more of its are refused", {
      peer,
      max: this.max,
    });
  }
}
