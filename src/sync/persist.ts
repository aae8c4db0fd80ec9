import { z } from "zod";
import { isHostname, isWildcard } from "../lib/hostname.ts";
import { parseIpv4 } from "../lib/ipv4.ts";
import { printable } from "../lib/printable.ts";
import { type Endpoint, parseEndpointUrl } from "../model/endpoint.ts";
import { FileError, messageOf } from "../model/errors.ts";
import type { StateFiles } from "../system/json_file.ts";
import type { SavedState, StateEffects } from "./effects.ts";

/** The state that was found, and what was wrong with it. */
export interface LoadedState {
  readonly state: SavedState;
  readonly problems: readonly string[];
}

const MAPPINGS = "ip_mappings.json";
const PORTS = "network_ports.json";
const ENDPOINTS = "endpoints.json";
const FILE_MODE = 0o644;
const WILDCARD_KEY = "wildcard:";
/** A damaged file can have a million bad entries: so many of them are told one by one. */
const MAX_TOLD = 20;

// Not z.record(), which drops the key "__proto__": a host may be called that.
const Table = z.custom<Record<string, unknown>>((value) =>
  typeof value === "object" && value !== null && !Array.isArray(value)
);
const EndpointList = z.object({ schema: z.literal(1), endpoints: z.array(z.unknown()) });
const EndpointEntry = z.object({ id: z.string().min(1).max(128), url: z.string() });

/** The state directory: addresses and ports in the files of the Go daemon (COMPAT.md 4.5), and the last known endpoints. */
export class StateStore implements StateEffects {
  readonly #directory: string;
  readonly #files: StateFiles;
  /** What is known to be on disk, so that an unchanged round writes nothing. */
  readonly #onDisk = new Map<string, string>();

  constructor(directory: string, files: StateFiles) {
    this.#directory = directory;
    this.#files = files;
  }

  /** Reads what is there. A bad entry costs that entry, a damaged file is set aside as `<name>.bad`; both are reported. */
  async load(): Promise<LoadedState> {
    const mappings = new Problems(MAPPINGS);
    const leases = new Map<string, string>();
    const holders = new Map<string, string>();
    for (const [key, value] of Object.entries(await this.#read(mappings, Table) ?? {})) {
      const hostname = key.startsWith(WILDCARD_KEY) ? `*.${key.slice(WILDCARD_KEY.length)}` : key;
      if (!isHostname(hostname) && !isWildcard(hostname)) {
        mappings.addEntry(`"${printable(key)}" is not a host name`);
      } else if (typeof value !== "string" || parseIpv4(value) === undefined) {
        mappings.addEntry(`"${key}" has no address`);
      } else if (holders.has(value)) {
        mappings.addEntry(`"${key}" has the address of "${holders.get(value)}" and gets one of its own`);
      } else {
        leases.set(hostname, value);
        holders.set(value, hostname);
      }
    }
    const remaps = new Problems(PORTS);
    const ports = new Map<string, number>();
    for (const [key, value] of Object.entries(await this.#read(remaps, Table) ?? {})) {
      if (isServiceKey(key) && isPort(value)) ports.set(key, value);
      else remaps.addEntry(`"${printable(key)}" is not host:port with a port`);
    }
    const list = new Problems(ENDPOINTS);
    const endpoints = parseEndpoints(await this.#read(list, EndpointList), list);
    return {
      state: { leases, ports, endpoints },
      problems: [mappings, remaps, list].flatMap(({ texts }) => texts),
    };
  }

  /** Writes what has changed. @throws {FileError} If a file cannot be written; the old one is whole. */
  async save(state: SavedState): Promise<void> {
    const mappings = [...state.leases].map((
      [name, address],
    ) => [name.startsWith("*.") ? `${WILDCARD_KEY}${name.slice(2)}` : name, address]);
    const endpoints = state.endpoints?.map(({ id, url }) => ({ id, url }));
    const results = await Promise.allSettled([
      this.#write(MAPPINGS, Object.fromEntries(mappings)),
      this.#write(PORTS, Object.fromEntries([...state.ports].sort())),
      endpoints === undefined ? undefined : this.#write(ENDPOINTS, { schema: 1, endpoints }),
    ]);
    // One file that cannot be written does not keep the others from it.
    const failed = results.find((result) => result.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  }

  async #read<T>(problems: Problems, schema: z.ZodType<T>): Promise<T | undefined> {
    const { name } = problems;
    const path = this.#path(name);
    let text: string;
    try {
      text = await this.#files.readText(path);
    } catch (error) {
      if (error instanceof FileError && error.reason === "missing") return undefined;
      problems.add(messageOf(error));
      await this.#setAside(problems);
      return undefined;
    }
    const parsed = schema.safeParse(parseJson(text));
    if (parsed.success) {
      this.#onDisk.set(name, text);
      return parsed.data;
    }
    problems.add(`${path} is damaged`);
    await this.#setAside(problems);
    return undefined;
  }

  /** The next save would replace it. */
  async #setAside(problems: Problems): Promise<void> {
    const path = this.#path(problems.name);
    try {
      await this.#files.renameFile(path, `${path}.bad`);
      problems.add(`${path} is kept as ${problems.name}.bad`);
    } catch (error) {
      problems.add(messageOf(error));
    }
  }

  async #write(name: string, content: unknown): Promise<void> {
    const text = JSON.stringify(content, null, 2);
    if (this.#onDisk.get(name) === text) return;
    await this.#files.writeFileAtomic(this.#path(name), text, { mode: FILE_MODE });
    this.#onDisk.set(name, text);
  }

  #path(name: string): string {
    return `${this.#directory}/${name}`;
  }
}

/** What is wrong with one file. */
class Problems {
  readonly name: string;
  readonly #told: string[] = [];
  #untold = 0;

  constructor(name: string) {
    this.name = name;
  }

  get texts(): string[] {
    if (this.#untold === 0) return this.#told;
    return [...this.#told, `${this.name}: ${this.#untold} more entries are not usable`];
  }

  add(problem: string): void {
    this.#told.push(problem);
  }

  addEntry(problem: string): void {
    if (this.#told.length < MAX_TOLD) this.add(`${this.name}: ${problem}`);
    else this.#untold++;
  }
}

function parseEndpoints(
  list: z.infer<typeof EndpointList> | undefined,
  problems: Problems,
): Endpoint[] | undefined {
  return list?.endpoints.flatMap((entry) => {
    const read = EndpointEntry.safeParse(entry);
    try {
      if (read.success) return [{ ...read.data, ...parseEndpointUrl(read.data.url) }];
      problems.addEntry("an entry is not usable: it has no id or url");
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      problems.addEntry(`an entry is not usable: ${error.message}`);
    }
    return [];
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isPort(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 65535;
}

function isServiceKey(key: string): boolean {
  const [hostname = "", port = "", rest] = key.split(":");
  const named = isHostname(hostname) || isWildcard(hostname);
  return rest === undefined && named && /^[1-9][0-9]{0,4}$/.test(port) && isPort(Number(port));
}
