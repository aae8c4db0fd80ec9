import { BindError, messageOf, withHint } from "../model/errors.ts";
import { ANY_ADDRESS, listenerKey } from "../model/route_table.ts";
import { BlockingListeners } from "./blocking_listeners.ts";
import type { ListenerDiff, WantedListener } from "./diff.ts";
import type { ListenerEffects } from "./effects.ts";
import type { ListenerGroup } from "./listener_group.ts";
import type { TcpAddress } from "../system/tcp.ts";
import { SparePorts } from "./spare_ports.ts";

/**
 * The number of new listeners that are closed again when descriptors run out, because files, the
 * API, the control socket and connections need some. The next round tries to open them again.
 */
const DESCRIPTORS_LEFT_FREE = 64;

/** Opens each listener after those in its way are closed. One that fails never stops the others. */
export async function bind(difference: ListenerDiff, options: BindOptions): Promise<Binding[]> {
  const pass = new BindPass(difference, options);
  const bindings: Binding[] = [];
  for (const listener of difference.wanted) bindings.push(await pass.bind(listener));
  const givenUp = pass.givenUp;
  // Before anything else needs a descriptor: nobody has been led to them yet.
  await Promise.all([...givenUp].map((key) => options.listeners.close(key)));
  return bindings.map((binding) => {
    const { group, listener } = binding;
    if (listener === undefined || !givenUp.has(listener)) return binding;
    return pass.unbound(group, withHint(noDescriptor(listener)));
  });
}

/** A group, and the listener that it has. */
export interface Binding {
  readonly group: ListenerGroup;
  /** Undefined if it has no listener. */
  readonly port?: number;
  /** The key of the listener. It can be one on every address. */
  readonly listener?: string;
  /** The reason why it has no listener, or what is unusual about it. */
  readonly reason?: string;
  /** Set if its own port is in use: by a program of others, or by another endpoint. */
  readonly heldBy?: "program" | "endpoint";
}

/** Options of {@linkcode bind}. */
export interface BindOptions {
  readonly listeners: ListenerEffects;
  /** Service → remapped port, from earlier rounds. */
  readonly ports: ReadonlyMap<string, number>;
  /** The first port to try when a port is in use. */
  readonly startPort: number;
  /** Address → the reason why it does not exist. */
  readonly missing: ReadonlyMap<string, string>;
  /** An error of the address driver. Binding shows which addresses exist. */
  readonly driverError?: string;
}

/** The state of one call of {@linkcode bind}. */
class BindPass {
  readonly #options: BindOptions;
  readonly #spare: SparePorts;
  readonly #open: Set<string>;
  readonly #blocking: BlockingListeners;
  /** Keys that belong to a group. */
  readonly #taken: Set<string>;
  readonly #opened: string[] = [];
  #isExhausted = false;

  constructor({ close, wanted }: ListenerDiff, options: BindOptions) {
    this.#options = options;
    this.#blocking = new BlockingListeners(close);
    this.#spare = new SparePorts(wanted.map(({ group }) => group), options);
    this.#open = new Set(options.listeners.observe());
    const kept = wanted.filter(({ kind }) => kind === "keep");
    this.#taken = new Set(kept.map(({ group }) => listenerKey(group.address, group.port)));
  }

  /** The keys of the listeners that must be closed again, so that some descriptors are free. */
  get givenUp(): ReadonlySet<string> {
    return new Set(this.#isExhausted ? this.#opened.slice(-DESCRIPTORS_LEFT_FREE) : []);
  }

  async bind({ kind, group }: WantedListener): Promise<Binding> {
    const { address, port } = group;
    const missing = this.#options.missing.get(address);
    if (missing !== undefined) return { group, reason: missing };
    if (kind === "keep") return { group, port, listener: listenerKey(address, port) };
    return await this.#bindSomePort(group);
  }

  unbound(group: ListenerGroup, reason: string): Binding {
    const { driverError } = this.#options;
    if (group.extra) return { group, reason: `no port for IP addresses and localhost: ${reason}` };
    return {
      group,
      reason: group.virtual && driverError !== undefined ? `${reason}; ${driverError}` : reason,
    };
  }

  async #bindSomePort(group: ListenerGroup): Promise<Binding> {
    const own = await this.#bindPort(group, group.port);
    if (typeof own === "string") return { group, port: group.port, listener: own };
    const held = own.reason === "in_use" ? { heldBy: holderOf(own) } : {};
    return { ...await this.#bindOtherPort(group, own), ...held };
  }

  async #bindOtherPort(group: ListenerGroup, own: BindError): Promise<Binding> {
    if (!group.remappable) return this.unbound(group, withHint(own));
    const saved = this.#options.ports.get(group.service);
    if (saved !== undefined) {
      // Whatever keeps the group from its own port, it keeps the listener on the saved one.
      const listener = await this.#bindPort(group, saved);
      if (typeof listener === "string") return remapped(group, saved, listener);
    }
    if (own.reason !== "in_use") return this.unbound(group, withHint(own));
    const tried: number[] = [];
    for (const port of this.#spare.after(group)) {
      const listener = await this.#bindPort(group, port);
      if (typeof listener === "string") {
        this.#spare.use(group, port);
        return remapped(group, port, listener);
      }
      if (listener.reason !== "in_use") return this.unbound(group, withHint(listener));
      tried.push(port);
    }
    const spare = `the ${tried.length} ports from ${tried[0] ?? 65535} up are in use too`;
    return this.unbound(group, `${own.message}; ${spare}`);
  }

  /** Returns the key of the listener, or the reason why there is none. */
  async #bindPort(group: ListenerGroup, port: number): Promise<string | BindError> {
    const { address, extra, remappable } = group;
    const key = listenerKey(address, port);
    const everywhere = listenerKey(ANY_ADDRESS, port);
    const isOwn = port === group.port;
    const isCovered = address !== ANY_ADDRESS && this.#taken.has(everywhere);
    const isOfOther = this.#taken.has(key) || remappable && this.#spare.isOfOther(group, port);
    if (isOfOther || isOwn && extra || isCovered && !isOwn) {
      return new EndpointListens(`Cannot bind ${key}: another endpoint listens there`, {
        address: key,
        reason: "in_use",
      });
    }
    const error = isCovered ? undefined : await this.#listen({ address, port });
    if (error !== undefined) return error;
    this.#taken.add(key);
    return isCovered ? everywhere : key;
  }

  async #listen(where: TcpAddress): Promise<BindError | undefined> {
    const key = listenerKey(where.address, where.port);
    if (this.#open.has(key)) return undefined;
    if (this.#isExhausted) return noDescriptor(key);
    await this.#makeWay(where);
    try {
      this.#options.listeners.open(where);
    } catch (error) {
      if (!(error instanceof BindError)) {
        const message = `Cannot bind ${key}: ${messageOf(error)}`;
        return new BindError(message, { address: key, reason: "other", cause: error });
      }
      this.#isExhausted = error.reason === "exhausted";
      return this.#isExhausted ? noDescriptor(key) : error;
    }
    this.#opened.push(key);
    return undefined;
  }

  /** Closes our own listeners in the way, and waits until their ports are free. */
  async #makeWay(where: TcpAddress): Promise<void> {
    const inTheWay = this.#blocking.of(where).filter((key) => this.#open.has(key) && !this.#taken.has(key));
    for (const key of inTheWay) this.#open.delete(key);
    await Promise.all(inTheWay.map((key) => this.#options.listeners.close(key)));
  }
}

/** The port belongs to another endpoint, so no other program holds it. */
class EndpointListens extends BindError {}

function holderOf(error: BindError): "program" | "endpoint" {
  return error instanceof EndpointListens ? "endpoint" : "program";
}

function remapped(group: ListenerGroup, port: number, listener: string): Binding {
  const hasLocalhost = group.address === ANY_ADDRESS || group.address === "127.0.0.1";
  const reason = group.extra
    ? `by IP address${hasLocalhost ? " or localhost" : ""} on port ${port}`
    : `port ${group.port} is in use on ${group.address}, listening on ${port}`;
  return { group, port, listener, reason };
}

function noDescriptor(address: string): BindError {
  return new BindError(`Cannot bind ${address}: no file descriptor is left`, {
    address,
    reason: "exhausted",
    hint: "Raise the limit of open files: LimitNOFILE= of the unit, or ulimit -n",
  });
}
