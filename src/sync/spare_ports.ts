import { listenerKey } from "../model/route_table.ts";
import { VIRTUAL } from "../model/listen_mode.ts";
import { type ListenerGroup, remapKey } from "./diff.ts";

/** How many ports are tried when the wanted one is taken. */
const MAX_PORT_TRIES = 20;

/** Which ports an endpoint may move to: not those that others listen on, will come back to, or have in their URL. */
export class SparePorts {
  readonly #startPort: number;
  /** `address:port` → the service whose saved port it is. */
  readonly #holders = new Map<string, string>();
  /** Saved ports of services that are away now. Their address is not known. */
  readonly #away: ReadonlySet<number>;
  /** Of the URLs. Where addresses are shared a port counts on all of them: 0.0.0.0 is each of them. */
  readonly #own: ReadonlySet<string | number>;
  /** By address: nothing below is left to try. */
  readonly #next = new Map<string, number>();

  constructor(
    groups: readonly ListenerGroup[],
    options: { readonly ports: ReadonlyMap<string, number>; readonly startPort: number },
  ) {
    this.#startPort = options.startPort;
    const away = new Map(options.ports);
    for (const group of groups) {
      const saved = options.ports.get(remapKey(group));
      away.delete(remapKey(group));
      if (saved !== undefined && group.remappable) {
        this.#holders.set(listenerKey(group.address, saved), remapKey(group));
      }
    }
    this.#away = new Set(away.values());
    this.#own = new Set(groups.map((group) => ownPlace(group, group.port)));
  }

  isHeldByOther(group: ListenerGroup, port: number): boolean {
    if (this.#holders.size === 0) return false;
    const holder = this.#holders.get(listenerKey(group.address, port));
    return holder !== undefined && holder !== remapKey(group);
  }

  /** The next few to try. A virtual address is its name's own: nobody who is away comes back to it. */
  *after(group: ListenerGroup): Generator<number> {
    let tries = 0;
    for (
      let port = this.#next.get(group.address) ?? this.#startPort;
      port <= 65535 && tries < MAX_PORT_TRIES;
      port++
    ) {
      if (this.isHeldByOther(group, port) || !isVirtual(group) && this.#away.has(port)) continue;
      if (this.#own.has(ownPlace(group, port))) continue;
      tries++;
      yield port;
    }
  }

  use(group: ListenerGroup, port: number): void {
    this.#next.set(group.address, port + 1);
  }
}

function ownPlace(group: ListenerGroup, port: number): string | number {
  return isVirtual(group) ? listenerKey(group.address, port) : port;
}

/** Whether each of the group's addresses is a name's own. */
export function isVirtual(group: ListenerGroup): boolean {
  return group.routes[0]?.mode === VIRTUAL;
}
