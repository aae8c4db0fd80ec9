import { getLogger } from "@logtape/logtape";
import { z } from "zod";
import { OnChange } from "../lib/on_change.ts";
import { messageOf } from "../model/errors.ts";
import { JsonFile, type StateFiles } from "../system/json_file.ts";

const log = getLogger(["ngrokd", "undo"]);

/** 20,000 lines of the hosts file, and as many that go, with names of 253 characters. */
const MAX_BYTES = 16 * 1024 * 1024;

/** A line of ngrokd in the hosts file. */
const HostsLine = z.string().max(300).regex(/^[0-9.]+\t[^\s#]+$/);

const Change = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("addresses") }),
  z.object({ kind: z.literal("redirects") }),
  z.object({
    kind: z.literal("hosts"),
    path: z.string().startsWith("/"),
    created: z.boolean(),
    written: z.array(HostsLine).optional(),
    shared: z.array(HostsLine).optional(),
  }),
  z.object({
    kind: z.literal("resolv_conf"),
    path: z.string().startsWith("/"),
    backup: z.string().startsWith("/").endsWith("/resolv.conf.bak"),
    server: z.ipv4().optional(),
    earlier: z.ipv4().optional(),
  }),
  z.object({ kind: z.literal("resolver_dir"), path: z.string().startsWith("/") }),
]);

const Content = z.object({ version: z.literal(1), changes: z.array(z.unknown()).max(64) });

/**
 * A change to this machine that outlives the process. `addresses`: an interface and a route.
 * `redirects`: a table of nftables. `hosts`: ngrokd's lines in this file, `written` (undefined for
 * a record of an earlier version), of which others have some too, `shared`; `created` if the file
 * did not exist before. `resolv_conf`: ngrokd's two lines in this file, the address in them, the
 * one before it, and the backup. `resolver_dir`: ngrokd's files in this directory. Each of them has
 * a marker, that of the table is its name. The lines of `hosts` and `resolv_conf` are recognised by
 * this record first.
 */
export type Change = z.infer<typeof Change>;

/** The change of a hosts file. */
export type HostsChange = Extract<Change, { readonly kind: "hosts" }>;

/** The change of resolv.conf. */
export type ResolvConfChange = Extract<Change, { readonly kind: "resolv_conf" }>;

/**
 * The changes to this machine that are not undone yet, oldest first. A change is recorded before it
 * is made, so that it can be undone after a crash.
 */
export class Journal {
  readonly #file: JsonFile<z.infer<typeof Content>>;
  readonly #onProblem = new OnChange();
  #changes: readonly Change[] = [];

  constructor(path: string, files: StateFiles) {
    this.#file = new JsonFile(path, { schema: Content, files, maxBytes: MAX_BYTES });
  }

  get changes(): readonly Change[] {
    return this.#changes;
  }

  /** Returns the change of a hosts file. */
  hosts(path: string): HostsChange | undefined {
    return this.#changes.find((change) => change.kind === "hosts" && change.path === path) as
      | HostsChange
      | undefined;
  }

  /** Returns the change of resolv.conf. */
  get resolvConf(): ResolvConfChange | undefined {
    return this.#changes.find((change) => change.kind === "resolv_conf");
  }

  has(change: Change): boolean {
    return this.#changes.some((known) => isSame(known, change));
  }

  /**
   * Reads the changes of an earlier run. Returns one sentence for each problem: with the file, or
   * with an entry, which is dropped.
   */
  async load(): Promise<string[]> {
    const { content, problem } = await this.#file.read();
    if (content === undefined) return problem === undefined ? [] : [problem];
    const entries = content.changes.map((entry) => Change.safeParse(entry));
    this.#changes = entries.flatMap(({ success, data }) => success ? [data] : []);
    const problems = entries.flatMap(({ success }, index) =>
      success ? [] : [`${this.#file.path}: entry ${index + 1} is no change that ngrokd makes; it is not used`]
    );
    if (problems.length > 0) await this.#save(this.#changes);
    return problems;
  }

  /**
   * Writes a change down before it is made. A change that cannot be written down is logged and made
   * all the same, because its marker, if it is still there, identifies it too. Returns true if it
   * is written down.
   */
  async record(change: Change): Promise<boolean> {
    const known = this.#changes.find((other) => isSame(other, change));
    if (known === undefined) return await this.#save([...this.#changes, change]);
    return await this.#save(this.#changes.map((other) => other === known ? updated(known, change) : other));
  }

  /** Forgets a change that has been undone. */
  async strike(change: Change): Promise<void> {
    if (this.has(change)) await this.#save(this.#changes.filter((known) => !isSame(known, change)));
  }

  /** The DNS server and the names record their changes at the same time. */
  async #save(changes: readonly Change[]): Promise<boolean> {
    this.#changes = changes;
    let problem: string | undefined;
    try {
      if (changes.length === 0) await this.#file.remove();
      else await this.#file.write({ version: 1, changes: [...changes] });
    } catch (error) {
      problem = messageOf(error);
    }
    this.#onProblem.report(problem, (error) => {
      log.warn("Problem with the record of a change to this machine: {error}", { error });
    });
    return problem === undefined;
  }
}

/** Returns the new record of a change; the place of a backup and that we made a file stay. */
function updated(known: Change, change: Change): Change {
  if (known.kind === "hosts" && change.kind === "hosts") {
    return { ...change, created: known.created || change.created };
  }
  if (known.kind !== "resolv_conf" || change.kind !== "resolv_conf") return known;
  return { ...change, backup: known.backup };
}

function isSame(a: Change, b: Change): boolean {
  return a.kind === b.kind && pathOf(a) === pathOf(b);
}

function pathOf(change: Change): string | undefined {
  return "path" in change ? change.path : undefined;
}
