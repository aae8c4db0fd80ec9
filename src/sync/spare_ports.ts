import { listenerKey } from "../model/route_table.ts";
import { type ListenerGroup, remappedListeners } from "./listener_group.ts";

const MAX_ATTEMPTS = 20;

/** Ports for remapping: none that others listen on, will return to, or have in their URL. */
export class SparePorts {
  readonly #startPort: number;
  readonly #remapped: ReadonlyMap<string, string>;
  /** Saved ports of services that are away. Their addresses are not known. */
  readonly #away: ReadonlySet<number>;
  readonly #own: ReadonlySet<string | number>;
  /** Address → the first port that has not been tried. */
  readonly #next = new Map<string, number>();

  constructor(
    groups: readonly ListenerGroup[],
    options: { readonly ports: ReadonlyMap<string, number>; readonly startPort: number },
  ) {
    this.#startPort = options.startPort;
    const away = new Map(options.ports);
    for (const { service } of groups) away.delete(service);
    this.#away = new Set(away.values());
    this.#remapped = remappedListeners(groups, options.ports);
    this.#own = new Set(groups.map((group) => ownKey(group, group.port)));
  }

  /** Returns true if another service has been remapped to this port. */
  isOfOther(group: ListenerGroup, port: number): boolean {
    const service = this.#remapped.get(listenerKey(group.address, port));
    return service !== undefined && service !== group.service;
  }

  /** The next ports to try, 20 at most. No other service can return to a virtual address. */
  *after(group: ListenerGroup): Generator<number> {
    let attempts = 0;
    let port = this.#next.get(group.address) ?? this.#startPort;
    for (; port <= 65535 && attempts < MAX_ATTEMPTS; port++) {
      if (this.isOfOther(group, port) || !group.virtual && this.#away.has(port)) continue;
      if (this.#own.has(ownKey(group, port))) continue;
      attempts++;
      yield port;
    }
  }

  /** Records that the group listens on this port. */
  use(group: ListenerGroup, port: number): void {
    this.#next.set(group.address, port + 1);
  }
}

/**
 * Returns the key of the port that a URL takes: on its virtual address, or on all shared ones,
 * because 0.0.0.0 includes each.
 */
function ownKey(group: ListenerGroup, port: number): string | number {
  return group.virtual ? listenerKey(group.address, port) : port;
}
