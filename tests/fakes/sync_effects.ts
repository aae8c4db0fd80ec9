import { parseCidr } from "../../src/lib/ipv4.ts";
import { BindError, type BindFailure } from "../../src/model/errors.ts";
import { refuseRedirects } from "../../src/model/redirect.ts";
import type { Redirect } from "../../src/model/redirect.ts";
import { RouteTable } from "../../src/model/route_table.ts";
import type { RoundEffects, SavedState } from "../../src/sync/effects.ts";
import type { RoundSettings } from "../../src/sync/round.ts";

/** The state of the first start. */
export const NOTHING_SAVED: SavedState = { leases: new Map(), ports: new Map(), endpoints: undefined };

/** A policy that refuses no name. */
export const ANY_NAME: RoundSettings["names"] = {
  revision: 0,
  judge: () => ({}),
  isRegistrySuffix: (domain) => ["com", "co.uk"].includes(domain),
};

/** Settings of a round: a virtual address for each endpoint, and no name is refused. */
export function roundSettings(fields: Partial<RoundSettings> = {}): RoundSettings {
  return {
    subnet: parseCidr("127.107.0.0/16")!,
    equivalentSubnets: [],
    listenInterface: "virtual",
    overrides: {},
    advertiseIp: "",
    advertiseIps: [],
    presentIps: (fields.advertiseIps ?? []).map((address) => ({ interface: "eth0", address })),
    startPort: 9080,
    names: ANY_NAME,
    allowPorts: [],
    resolveInterface: () => undefined,
    // The first free address, and then the next ones.
    random: () => 0,
    publishMovedPorts: false,
    redirectHeldPorts: "auto",
    os: "linux",
    ...fields,
  };
}

/**
 * A machine in memory for the control path. Its fields show what was done to it, and set what
 * fails.
 */
export class FakeWorld implements RoundEffects {
  readonly open = new Set<string>();
  /** `address:port` → the reason why it cannot be bound. */
  readonly unbindable = new Map<string, BindFailure>();
  /** Address → the reason why it cannot be made. */
  readonly missing = new Map<string, string>();
  /** Name → the reason why it does not resolve. */
  readonly unpublished = new Map<string, string>();
  readonly bindAttempts: string[] = [];
  readonly closed: string[] = [];
  /** The listeners that are being closed. */
  readonly closing = new Set<string>();
  readonly saves: SavedState[] = [];
  readonly forgotten: string[] = [];
  /** The ports that another program holds on every address. */
  readonly heldPorts = new Set<number>();
  /** The effect of that name throws this. */
  readonly faults: { redirect?: Error; ensure?: Error; publish?: Error; save?: Error } = {};
  /** The reason why this machine makes no redirects; undefined if it does. */
  noRedirects: string | undefined = "nft is not installed";
  ensured: readonly string[] = [];
  published: ReadonlyMap<string, string> = new Map();
  /** The revisions of the last addresses and names. */
  readonly revisions = { ensured: 0, published: 0 };
  table: RouteTable = RouteTable.EMPTY;

  readonly addresses = {
    ensure: (addresses: readonly string[], revision = 0): Promise<ReadonlyMap<string, string>> => {
      this.ensured = addresses;
      this.revisions.ensured = revision;
      return this.faults.ensure === undefined
        ? Promise.resolve(this.missing)
        : Promise.reject(this.faults.ensure);
    },
  };
  readonly listeners = {
    observe: (): readonly string[] => [...this.open],
    open: ({ address, port }: { address: string; port: number }): void => {
      const key = `${address}:${port}`;
      this.bindAttempts.push(key);
      const isHeld = this.#isTaken(key) || this.heldPorts.has(port);
      const reason = this.unbindable.get(key) ?? (isHeld ? "in_use" : undefined);
      if (reason !== undefined) {
        throw new BindError(`Cannot bind ${key}: ${reason}`, { address: key, reason });
      }
      this.open.add(key);
    },
    close: (key: string): Promise<void> => {
      this.closed.push(key);
      this.open.delete(key);
      // Like the runtime: the port is in use until the pending accept has ended.
      this.closing.add(key);
      return Promise.resolve().then(() => void this.closing.delete(key));
    },
    setRoutes: (table: RouteTable): void => void (this.table = table),
    forget: (endpointIds: Iterable<string>): void => void this.forgotten.push(...endpointIds),
  };
  redirected: readonly Redirect[] = [];
  /** `address:port` → the reason why it is still redirected. */
  readonly leftRedirects = new Map<string, string>();
  readonly redirects = {
    observe: (): readonly Redirect[] => [
      ...(this.noRedirects === undefined ? this.redirected : []),
      ...this.leftRedirects.keys().map((key) => {
        const [address, from] = key.split(":");
        return { address: address!, from: Number(from), to: 9080 };
      }),
    ],
    ensure: (redirects: readonly Redirect[]): Promise<ReadonlyMap<string, string>> => {
      this.redirected = redirects;
      if (this.faults.redirect !== undefined) return Promise.reject(this.faults.redirect);
      const refused = this.noRedirects === undefined ? [] : refuseRedirects(redirects, this.noRedirects);
      return Promise.resolve(new Map([...this.leftRedirects, ...refused]));
    },
  };
  readonly names = {
    problem: undefined as string | undefined,
    publish: (names: ReadonlyMap<string, string>, revision = 0): Promise<ReadonlyMap<string, string>> => {
      this.published = names;
      this.revisions.published = revision;
      return this.faults.publish === undefined
        ? Promise.resolve(this.unpublished)
        : Promise.reject(this.faults.publish);
    },
  };
  readonly state = {
    save: (state: SavedState): Promise<void> => {
      this.saves.push(state);
      return this.faults.save === undefined ? Promise.resolve() : Promise.reject(this.faults.save);
    },
  };

  /** The kernel opens nothing beside a listener on every address of the same port. */
  #isTaken(key: string): boolean {
    const port = key.slice(key.indexOf(":"));
    const others = [this.open, this.closing];
    if (others.some((keys) => keys.has(key) || keys.has(`0.0.0.0${port}`))) return true;
    return key === `0.0.0.0${port}` &&
      others.some((keys) => keys.values().some((other) => other.endsWith(port)));
  }
}
