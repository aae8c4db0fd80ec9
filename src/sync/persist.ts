import { basename } from "node:path";
import { getLogger } from "@logtape/logtape";
import { z } from "zod";
import { isHostname, isWildcard } from "../lib/hostname.ts";
import { parseIpv4 } from "../lib/ipv4.ts";
import { printable } from "../lib/printable.ts";
import { type Endpoint, parseEndpointUrl } from "../model/endpoint.ts";
import { statePathsIn } from "../model/state_files.ts";
import { JsonFile, type StateFiles } from "../system/json_file.ts";
import type { SavedState, StateEffects } from "./effects.ts";
import { logFirst } from "./log_first.ts";
import type { SpreadNames } from "./spread_names.ts";

const log = getLogger(["ngrokd", "sync"]);

const MAX_REPORTED = 20;
const WILDCARD_KEY = "wildcard:";

// Not z.record(), which drops the key "__proto__": a host may have that name.
const Table = z.custom<Record<string, unknown>>((value) =>
  typeof value === "object" && value !== null && !Array.isArray(value)
);
const EndpointTable = z.object({ schema: z.literal(1), endpoints: z.array(z.unknown()) });
const SpreadTable = z.object({
  schema: z.literal(1),
  addresses: z.array(z.unknown()),
  names: Table,
});
const EndpointEntry = z.object({ id: z.string().min(1).max(128), url: z.string() });

/** Saves leases, ports and the last known endpoints (docs/compatibility.md 4.5). */
export class StateStore implements StateEffects {
  readonly #leases: JsonFile<Record<string, unknown>>;
  readonly #ports: JsonFile<Record<string, unknown>>;
  readonly #endpoints: JsonFile<z.infer<typeof EndpointTable>>;
  readonly #spread: JsonFile<z.infer<typeof SpreadTable>>;

  constructor(directory: string, files: StateFiles) {
    const { leases, ports, endpoints, spread } = statePathsIn(directory);
    this.#leases = new JsonFile(leases, { schema: Table, files });
    this.#ports = new JsonFile(ports, { schema: Table, files });
    this.#endpoints = new JsonFile(endpoints, { schema: EndpointTable, files });
    this.#spread = new JsonFile(spread, { schema: SpreadTable, files });
  }

  /**
   * Reads the state. Reports damaged or unreadable files, and bad entries, which are left out. The
   * Go daemon lets names share an address: all but the first get another one, which is logged.
   */
  async load(): Promise<LoadedState> {
    const shared: SharedLease[] = [];
    const leases = await readEntries(this.#leases, (table) => parseLeases(table, shared));
    logFirst(shared, {
      one: (lease) =>
        log.info("{hostname} moved to an address of its own: {owner} keeps {address}, which both had", {
          ...lease,
        }),
      rest: (count) => log.info("Moved {count} more names to addresses of their own", { count }),
    });
    const outdated: string[] = [];
    const ports = await readEntries(this.#ports, (table) => parsePorts(table, outdated));
    if (outdated.length > 0) {
      log.info("Dropped ports that an old Go daemon saved without the port of the endpoint", {
        count: outdated.length,
        first: outdated[0],
      });
    }
    const endpoints = await readEntries(this.#endpoints, parseEndpoints);
    const spread = await readEntries(this.#spread, parseSpread);
    return {
      state: {
        leases: new Map(leases.entries),
        ports: new Map(ports.entries),
        endpoints: endpoints.entries,
        ...(spread.entries === undefined ? {} : { spread: joinSpread(spread.entries) }),
      },
      problems: [leases, ports, endpoints, spread].flatMap(({ problems }) => problems),
    };
  }

  /**
   * Writes the files that have changed.
   *
   * @throws {FileError} If a file cannot be written; the others are written all the same.
   */
  async save(state: SavedState): Promise<void> {
    const leases = [...state.leases].map(([name, address]) => [keyOf(name), address]);
    const { spread } = state;
    const endpoints = state.endpoints?.map(({ id, url }) => ({ id, url }));
    const results = await Promise.allSettled([
      this.#leases.write(Object.fromEntries(leases)),
      this.#ports.write(Object.fromEntries([...state.ports].sort())),
      endpoints === undefined ? undefined : this.#endpoints.write({ schema: 1, endpoints }),
      spread === undefined || spread.addresses.length === 0 ? undefined : this.#spread.write({
        schema: 1,
        addresses: [...spread.addresses],
        names: Object.fromEntries(spread.names),
      }),
    ]);
    const failed = results.find((result) => result.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  }
}

/** The state of the last run. */
export interface LoadedState {
  readonly state: SavedState;
  /** One sentence for each problem with the files. */
  readonly problems: readonly string[];
}

/** Reads the entries of a file. `parse` yields each one, or the reason why it is left out. */
async function readEntries<C, E extends object>(
  file: JsonFile<C>,
  parse: (content: C) => Iterable<E | string>,
): Promise<{ entries: E[] | undefined; problems: string[] }> {
  const { content, problem } = await file.read();
  if (content === undefined) return { entries: undefined, problems: problem === undefined ? [] : [problem] };
  const name = basename(file.path);
  const entries: E[] = [];
  const problems: string[] = [];
  let more = 0;
  for (const entry of parse(content)) {
    if (typeof entry !== "string") entries.push(entry);
    else if (problems.length < MAX_REPORTED) problems.push(`${name}: ${entry}`);
    else more++;
  }
  if (more > 0) problems.push(`${name}: ${more} more entries are not usable`);
  return { entries, problems };
}

interface SharedLease {
  readonly hostname: string;
  readonly address: string;
  /** The name that keeps the address. */
  readonly owner: string;
}

function* parseLeases(
  table: Record<string, unknown>,
  shared: SharedLease[],
): Generator<readonly [string, string] | string> {
  const holders = new Map<string, string>();
  for (const [key, value] of Object.entries(table)) {
    const hostname = key.startsWith(WILDCARD_KEY) ? `*.${key.slice(WILDCARD_KEY.length)}` : key;
    if (!isHostname(hostname) && !isWildcard(hostname)) yield `"${printable(key)}" is not a host name`;
    else if (typeof value !== "string" || parseIpv4(value) === undefined) yield `"${key}" has no address`;
    else if (holders.has(value)) {
      shared.push({ hostname, address: value, owner: holders.get(value)! });
    } else {
      holders.set(value, hostname);
      yield [hostname, value];
    }
  }
}

function* parsePorts(
  table: Record<string, unknown>,
  outdated: string[],
): Generator<readonly [string, number] | string> {
  for (const [key, value] of Object.entries(table)) {
    if (isServiceKey(key) && isPort(value)) yield [key, value];
    else if (isHostname(key) && isPort(value)) outdated.push(key);
    else yield `"${printable(key)}" is not host:port with a port`;
  }
}

function* parseEndpoints({ endpoints }: z.infer<typeof EndpointTable>): Generator<Endpoint | string> {
  for (const entry of endpoints) {
    const { success, data } = EndpointEntry.safeParse(entry);
    try {
      yield success
        ? { ...data, ...parseEndpointUrl(data.url) }
        : "an entry is not usable: it has no id or url";
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      yield `an entry is not usable: ${error.message}`;
    }
  }
}

/** An address, or a name with its address. */
type SpreadEntry = { readonly address: string; readonly hostname?: string };

function* parseSpread({ addresses, names }: z.infer<typeof SpreadTable>): Generator<SpreadEntry | string> {
  const isAddress = (value: unknown): value is string =>
    typeof value === "string" && parseIpv4(value) !== undefined;
  for (const address of addresses) yield isAddress(address) ? { address } : "an entry is not an address";
  for (const [hostname, address] of Object.entries(names)) {
    if (!isHostname(hostname) && !isWildcard(hostname)) yield `"${printable(hostname)}" is not a host name`;
    else if (!isAddress(address)) yield `"${hostname}" has no address`;
    else yield { hostname, address };
  }
}

function joinSpread(entries: readonly SpreadEntry[]): SpreadNames {
  return {
    addresses: entries.flatMap(({ hostname, address }) => hostname === undefined ? [address] : []),
    names: new Map(
      entries.flatMap(({ hostname, address }) =>
        hostname === undefined ? [] : [[hostname, address] as const]
      ),
    ),
  };
}

/** Returns the key of a host name in the file of leases. */
function keyOf(hostname: string): string {
  return hostname.startsWith("*.") ? `${WILDCARD_KEY}${hostname.slice(2)}` : hostname;
}

function isPort(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 65535;
}

function isServiceKey(key: string): boolean {
  const [hostname = "", port = "", rest] = key.split(":");
  const isNamed = isHostname(hostname) || isWildcard(hostname);
  return rest === undefined && isNamed && /^[1-9][0-9]{0,4}$/.test(port) && isPort(Number(port));
}
