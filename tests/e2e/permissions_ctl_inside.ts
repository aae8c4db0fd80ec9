// Run by permissions_ctl_test.ts on an /etc and /run of its own.
import assert from "node:assert/strict";
import type { Printed, Stage } from "../../sim/stage.ts";
import { entriesOf, flagsOf, flagsWithout, shippedSet } from "./permission_entries.ts";
import { clean, isThroughFirstRound, openWorld, surroundings, WORLDS } from "./permission_worlds.ts";

/** What is lost with one entry of the set. */
interface Row {
  /** The scenario that the entry is there for. */
  readonly scenario: string;
  /** What fails with it. */
  readonly also?: readonly string[];
  /** What the user reads then. */
  readonly shows: RegExp;
}

const TABLE: Readonly<Record<string, Row>> = {
  "--allow-net=unix:/run/ngrokd/ngrokd.sock": {
    scenario: "status answers",
    shows: /the permission set does not hold \/run\/ngrokd\/ngrokd\.sock/,
  },
  "--allow-net=raw.githubusercontent.com:443": {
    scenario: "trust fetch may ask",
    shows: /Requires net access to "raw\.githubusercontent\.com:443"/,
  },
  "--allow-read=/run/ngrokd/ngrokd.sock": {
    scenario: "status answers",
    shows: /the permission set does not hold \/run\/ngrokd\/ngrokd\.sock/,
  },
  "--allow-write=/run/ngrokd/ngrokd.sock": {
    scenario: "status answers",
    shows: /the permission set does not hold \/run\/ngrokd\/ngrokd\.sock/,
  },
  "--allow-read=/etc/ngrokd/config.yml": {
    scenario: "config edit checks the file",
    shows: /✓ \/etc\/ngrokd\/config\.yml was edited/,
  },
  "--allow-run=/bin/sh": {
    scenario: "config edit opens the editor",
    also: ["config edit checks the file"],
    shows: /Cannot run "\/bin\/sh": Requires run access/,
  },
  "--allow-env=NGROKD_SOCKET": {
    scenario: "NGROKD_SOCKET names the socket",
    // The default socket answers instead.
    shows: /Registered[^]*Registered/,
  },
  // These two are no grants: they read as unset. Without that, YAML cannot be read at all.
  "--ignore-env=LOG_TOKENS": { scenario: "config edit checks the file", shows: /Config validation failed/ },
  "--ignore-env=LOG_STREAM": { scenario: "config edit checks the file", shows: /Config validation failed/ },
};

const SET = shippedSet("ngrokctl");
const ENTRIES = entriesOf(SET);
const PARALLEL = 2;
let edits = 0;

Deno.test("every entry of the set ngrokctl has a scenario that it is there for", () => {
  assert.deepEqual(Object.keys(TABLE).sort(), [...ENTRIES].sort());
});

Deno.test("ngrokctl does all with its set, and loses the named scenario with each entry that is taken away", async () => {
  await using stage = await openWorld(WORLDS.home);
  await clean(stage, WORLDS.home);
  stage.startDaemon(surroundings(stage, WORLDS.home));
  await stage.until("the first round", () => isThroughFirstRound(stage, WORLDS.home));
  const problems: string[] = [];
  const queue = [undefined, ...Object.keys(TABLE)];
  async function worker(): Promise<void> {
    while (queue.length > 0) {
      const entry = queue.shift();
      const flags = entry === undefined ? flagsOf(ENTRIES) : flagsWithout(entry, SET);
      const row = entry === undefined ? undefined : TABLE[entry];
      const { failed, shown } = await play(stage, flags);
      const lost = row === undefined ? [] : [row.scenario, ...row.also ?? []];
      if (failed.sort().join("; ") !== lost.sort().join("; ") || row?.shows.test(shown) === false) {
        problems.push(`${entry ?? "the whole set"}: lost are "${failed.join("; ")}"\n${shown}`);
      }
    }
  }
  await Promise.all(Array.from({ length: PARALLEL }, worker));
  assert.deepEqual(problems, []);
});

/** Runs the commands with these flags: the scenarios that failed, and all that was printed. */
async function play(stage: Stage, flags: readonly string[]): Promise<{ failed: string[]; shown: string }> {
  const mark = `# edited ${++edits}`;
  const EDITOR = `sh -c 'echo "${mark}" >> "$1"' editor`;
  const status = await stage.ctl(["status"], "", { flags });
  const named = await stage.ctl(["status"], "", {
    flags,
    environment: { NGROKD_SOCKET: "/run/ngrokd/other.sock" },
  });
  const fetched = await stage.ctl(["trust", "fetch"], "", { flags });
  const edit = await stage.ctl(["config", "edit"], "", { flags, environment: { EDITOR } });
  const results = {
    "status answers": status.code === 0 && /Registered: +Yes/.test(status.stdout),
    "NGROKD_SOCKET names the socket": named.code === 1 && named.stderr.includes("/run/ngrokd/other.sock"),
    "trust fetch may ask": !fetched.stderr.includes("Requires net access"),
    "config edit opens the editor": (await Deno.readTextFile(stage.configPath)).includes(`${mark}\n`),
    "config edit checks the file": edit.code === 0 && edit.stdout === "✓ /etc/ngrokd/config.yml is valid\n",
  };
  return {
    failed: Object.entries(results).filter(([, done]) => !done).map(([name]) => name),
    shown: [status, named, fetched, edit].map(textOf).join("\n"),
  };
}

function textOf({ code, stdout, stderr }: Printed): string {
  return `${stdout}${stderr}(${code})`;
}
