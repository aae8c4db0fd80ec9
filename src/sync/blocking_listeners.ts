import { ANY_ADDRESS } from "../model/route_table.ts";
import type { TcpAddress } from "../system/tcp.ts";

/**
 * The listeners that nobody needs and that are still open. A wanted one cannot be opened beside one
 * of them with the same port if one of both is on every address: that one must be closed first. All
 * others stay open until no name leads there, because another program may take their ports at once.
 */
export class BlockingListeners {
  /** Port → the keys of the listeners on it. */
  readonly #byPort: ReadonlyMap<number, readonly string[]>;

  constructor(unneeded: readonly string[]) {
    this.#byPort = Map.groupBy(unneeded, portOf);
  }

  /** Returns the keys of those in the way of a listener on this address and port. */
  of({ address, port }: TcpAddress): readonly string[] {
    const samePort = this.#byPort.get(port) ?? [];
    return address === ANY_ADDRESS ? samePort : samePort.filter((key) => key.startsWith(`${ANY_ADDRESS}:`));
  }
}

function portOf(key: string): number {
  return Number(key.slice(key.lastIndexOf(":") + 1));
}
