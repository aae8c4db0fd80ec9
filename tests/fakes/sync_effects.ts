import { BindError, type BindFailure } from "../../src/model/errors.ts";
import { RouteTable } from "../../src/model/route_table.ts";
import type { RoundEffects, SavedState } from "../../src/sync/effects.ts";

/** A world in memory for the control path: what it did is in the fields, what goes wrong is set through them. */
export class FakeWorld implements RoundEffects {
  readonly open = new Set<string>();
  /** `address:port` → why it cannot be bound, for as long as it stands here. */
  readonly unbindable = new Map<string, BindFailure>();
  /** Address → why it cannot be made. */
  readonly missing = new Map<string, string>();
  /** Name → why it does not resolve. */
  readonly unpublished = new Map<string, string>();
  readonly bindTries: string[] = [];
  readonly closed: string[] = [];
  readonly saves: SavedState[] = [];
  readonly forgotten: string[] = [];
  /** Thrown by the effect of that name. */
  readonly faults: { ensure?: Error; publish?: Error; save?: Error } = {};
  ensured: readonly string[] = [];
  published: ReadonlyMap<string, string> = new Map();
  table: RouteTable = RouteTable.EMPTY;

  readonly addresses = {
    ensure: (addresses: readonly string[]): Promise<ReadonlyMap<string, string>> => {
      this.ensured = addresses;
      return this.faults.ensure === undefined
        ? Promise.resolve(this.missing)
        : Promise.reject(this.faults.ensure);
    },
  };
  readonly listeners = {
    observe: (): readonly string[] => [...this.open],
    open: ({ address, port }: { address: string; port: number }): void => {
      const key = `${address}:${port}`;
      this.bindTries.push(key);
      const reason = this.unbindable.get(key) ?? (this.open.has(key) ? "in_use" : undefined);
      if (reason !== undefined) {
        throw new BindError(`Cannot bind ${key}: ${reason}`, { address: key, reason });
      }
      this.open.add(key);
    },
    close: (key: string): void => {
      this.closed.push(key);
      this.open.delete(key);
    },
    setRoutes: (table: RouteTable): void => void (this.table = table),
    forget: (endpointIds: Iterable<string>): void => void this.forgotten.push(...endpointIds),
  };
  readonly names = {
    publish: (names: ReadonlyMap<string, string>): Promise<ReadonlyMap<string, string>> => {
      this.published = names;
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
}
