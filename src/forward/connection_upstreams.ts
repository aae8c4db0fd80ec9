import type { RouteChoice } from "./choose_route.ts";
import type { CountedUpstream } from "./counted_upstream.ts";
import { UpstreamReader } from "./upstream_reader.ts";

/** The upstreams that one connection may keep for later requests, besides the one in use. */
export const MAX_KEPT = 7;

/** The upstreams of one connection: the one in use, and those that are kept for later requests. */
export class ConnectionUpstreams implements Disposable {
  readonly #options: ConnectionUpstreamsOptions;
  /** The longest unused first. */
  #kept: UpstreamReader[] = [];
  #current: UpstreamReader | undefined;

  constructor(options: ConnectionUpstreamsOptions) {
    this.#options = options;
  }

  /** The upstream in use. */
  get current(): UpstreamReader | undefined {
    return this.#current;
  }

  get hasKept(): boolean {
    return this.#kept.length > 0;
  }

  /** Returns true if the upstream in use is for this host, and has not ended. */
  isCurrent(choice: RouteChoice): boolean {
    return this.#current?.end === undefined && isFor(this.#current, choice);
  }

  /**
   * Opens an upstream and uses it. If this machine may have no more, those that are kept end first.
   *
   * @throws As `open`.
   */
  async open(choice: RouteChoice): Promise<UpstreamReader> {
    const { open, evict, isFull, onChange } = this.#options;
    if (isFull()) this.endKept();
    let reader: UpstreamReader | undefined;
    const upstream = await open(choice, () => {
      if (reader === undefined || !this.#endIfKept(reader)) evict();
      else onChange();
    });
    const onRead = (): void => {
      this.#endSpoilt();
      onChange();
    };
    return this.#current = reader = new UpstreamReader(choice, { upstream, onChange: onRead });
  }

  /**
   * Keeps the upstream in use, which no request needs now. Beyond {@linkcode MAX_KEPT} the longest
   * unused one ends.
   */
  keep(): void {
    if (this.#current !== undefined) this.#kept.push(this.#current);
    this.#current = undefined;
    if (this.#kept.length > MAX_KEPT) this.#kept.shift()![Symbol.dispose]();
    this.#endSpoilt();
  }

  /** Uses the kept upstream of a host; returns false if none had a request after `usedAfter`. */
  reuse(choice: RouteChoice, usedAfter: number): boolean {
    const found = this.#kept.find((reader) => isFor(reader, choice));
    if (found === undefined) return false;
    if ((found.usedAt ?? 0) < usedAfter) {
      this.#endIfKept(found);
      return false;
    }
    this.#kept = this.#kept.filter((reader) => reader !== found);
    this.#current = found;
    return true;
  }

  /** Ends the upstream in use. */
  endCurrent(): void {
    this.#current?.[Symbol.dispose]();
    this.#current = undefined;
  }

  /** Ends those that are kept. */
  endKept(): void {
    for (const reader of this.#kept.splice(0)) reader[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.endKept();
    this.endCurrent();
  }

  /** Ends those that the server has ended, or that send what nobody asked for. */
  #endSpoilt(): void {
    for (const reader of this.#kept) if (reader.isSpoilt) this.#endIfKept(reader);
  }

  /** Returns false if the upstream is not kept. */
  #endIfKept(reader: UpstreamReader): boolean {
    if (!this.#kept.includes(reader)) return false;
    this.#kept = this.#kept.filter((other) => other !== reader);
    reader[Symbol.dispose]();
    return true;
  }
}

/** Options of {@linkcode ConnectionUpstreams}. */
export interface ConnectionUpstreamsOptions {
  /** Opens an upstream. `evict` must end it. @throws As `openCounted`. */
  readonly open: (choice: RouteChoice, evict: () => void) => Promise<CountedUpstream>;
  /** Returns true if this machine may have no more upstreams. */
  readonly isFull: () => boolean;
  /** Ends the whole connection, because another one needs the slot of the upstream in use. */
  readonly evict: () => void;
  /** Called when bytes or the end of an upstream have come. */
  readonly onChange: () => void;
}

/** Returns true if the upstream asked the ingress for the same host and port. */
function isFor(reader: UpstreamReader | undefined, choice: RouteChoice): boolean {
  return reader?.choice.host === choice.host && reader.choice.route.port === choice.route.port;
}
