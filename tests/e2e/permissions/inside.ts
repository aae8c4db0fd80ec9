// Run by permissions_test.ts on an /etc and /run of its own.
import assert from "node:assert/strict";
import type { RunOptions } from "../../../sim/stage.ts";
import type { HealthReport } from "../../../src/model/report.ts";
import { runProgram } from "../../root/commands.ts";
import { covers, flagsOf, flagsWithout, type Use } from "./entries.ts";
import { ALL, type Row, ROWS } from "./rows.ts";
import { clean, entriesOf, openSetup, type Outcome, runScenarios, SETUPS, start } from "./setups.ts";

Deno.test("rows: every scenario passes with the whole set, and an entry less costs what its row says", async () => {
  // "0/2": this process checks every second row.
  const [part, parts] = Deno.env.get("PART")!.split("/").map(Number);
  const problems: string[] = [];
  for (const [name, setup] of Object.entries(SETUPS)) {
    const entries = entriesOf(setup);
    const rows = [
      ["the whole set", undefined] as const,
      ...Object.entries(ROWS[name as keyof typeof SETUPS]),
    ];
    const own = rows.filter((_, index) => index % parts! === part);
    if (own.length === 0) continue;
    await using stage = await openSetup(setup);
    if (setup.program === "ngrokctl") {
      await clean(stage, setup);
      await start(stage, setup);
    }
    for (const [entry, row] of own) {
      const flags = row === undefined ? flagsOf(entries) : flagsWithout(entry, entries);
      const outcome = await runScenarios(stage, { setup, flags });
      const problem = problemOf(outcome, row, Object.keys(setup.scenarios));
      if (problem !== undefined) problems.push(`${name}, ${entry}: ${problem}\n${outcome.shown}`);
    }
  }
  assert.deepEqual(problems, []);
});

/** The first difference from the row; without a row nothing may fail. */
function problemOf(outcome: Outcome, row: Row | undefined, scenarios: readonly string[]): string | undefined {
  const { failed, exitCode, shown } = outcome;
  const [scenario, shows, also = []] = row ?? [undefined, ""];
  if (scenario !== undefined && !scenarios.includes(scenario)) return `no scenario is named "${scenario}"`;
  const expected = also === ALL ? scenarios : scenario === undefined ? [] : [scenario, ...also];
  if ((also === ALL) !== (exitCode === 1)) return `the exit code is ${exitCode}`;
  if ([...failed].sort().join() !== [...expected].sort().join()) return `failed: "${failed.join("; ")}"`;
  const isShown = typeof shows === "string" ? shown.includes(shows) : shows.test(shown);
  return isShown ? undefined : "the user does not read the reason";
}

/**
 * The files in which Deno records the permissions that a program asked for, and strace the programs
 * that it started.
 */
class Audit {
  readonly #permissions: string;
  readonly #trace: string;

  readonly #entries: readonly string[];

  constructor(path: string, entries: readonly string[]) {
    this.#entries = entries;
    this.#permissions = `${path}.permissions`;
    this.#trace = `${path}.trace`;
  }

  /** Adds the audit to the options of a program, which keeps its process id (-D). */
  options({ environment = {}, prelude = "true" }: RunOptions = {}): RunOptions {
    return {
      flags: flagsOf(this.#entries),
      environment: { ...environment, DENO_AUDIT_PERMISSIONS: this.#permissions },
      prelude: `${prelude}; exec strace -D -f --seccomp-bpf -e trace=execve,execveat -o ${this.#trace} "$@"`,
    };
  }

  /**
   * The kinds of permissions that the program asked for; demands that its sets hold all of them.
   */
  async kinds(): Promise<string[]> {
    const lines = (await Deno.readTextFile(this.#permissions)).split("\n").filter((line) => line !== "");
    const uses = lines.map((line): Use => JSON.parse(line));
    assert.deepEqual(uses.filter((use) => !covers(this.#entries, use)), []);
    return uses.map(({ permission }) => permission);
  }

  /** The programs that were started or not found, the audited one first. */
  async programs(): Promise<string[]> {
    const text = await this.#wholeTrace();
    return [...text.matchAll(/execve(?:at)?\((?:[^"]*, )?"([^"]*)"/g)].map(([, path]) => path!);
  }

  /** The trace, once strace has written the end of the program, which it does some time later. */
  async #wholeTrace(): Promise<string> {
    const deadline = Date.now() + 5000;
    while (true) {
      const text = await Deno.readTextFile(this.#trace);
      const [pid] = text.split(" ");
      // strace pads process ids to one width.
      if (new RegExp(`^${pid} +\\+\\+\\+ `, "m").test(text)) return text;
      assert.ok(Date.now() < deadline, `the trace has no end:\n${text}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

Deno.test("audit: ngrokd uses only what its set holds, and starts no program", async () => {
  const setup = SETUPS.local;
  await using stage = await openSetup(setup);
  const { cloud, configPath, directory } = stage;
  const surroundings = { environment: setup.environment(stage), prelude: setup.prelude! };
  const first = new Audit(`${directory}/first`, entriesOf(setup));
  await clean(stage, setup);
  await start(stage, setup, first.options(surroundings));
  for (const scenario of Object.values(setup.scenarios)) await scenario(stage, () => Promise.reject());
  await stage.ask("refresh-cert", ["--force"]);
  await stage.ask("set-api-key", [cloud.apiKey]);
  assert.equal((await stage.ask("health") as HealthReport).healthy, true);
  assert.equal((await fetch(`http://127.0.0.1:${stage.healthPort}/healthz`)).status, 200);
  const dig = async (...args: string[]) =>
    (await runProgram(["dig", "+tries=1", "@127.120.0.1", ...args])).stdout;
  assert.match(await dig("lan.myapp"), /\s127\.0\.0\.1\n/);
  assert.match(await dig("+tcp", "lan.myapp"), /\s127\.0\.0\.1\n/);
  // The upstream DNS server cannot be reached.
  assert.match(await dig("+time=9", "example.org"), /SERVFAIL/);
  const text = await Deno.readTextFile(configPath);
  const reload = async (config: string, done: () => Promise<boolean>) => {
    await Deno.writeTextFile(configPath, config);
    Deno.kill(stage.pid, "SIGHUP");
    await stage.until("the configuration is reloaded", done);
  };
  await reload(`${text}broken: [\n`, async () => (await stage.askStatus()).config.state === "rejected");
  await reload(
    text.replace("net: {", "net: { listen_interface: lo,"),
    async () =>
      (await stage.askList()).some(({ hostname, ip }) => hostname === "db.myapp" && ip === "127.0.0.1"),
  );
  assert.equal(await stage.stopDaemon(), 0);

  // A restart with the files of the first run and without the API.
  await cloud.closeApi();
  const second = new Audit(`${directory}/second`, entriesOf(setup));
  await start(stage, setup, second.options(surroundings));
  assert.equal((await stage.askStatus()).api.state, "unreachable");
  assert.equal(await stage.stopDaemon(), 0);

  const kinds = new Set([...await first.kinds(), ...await second.kinds()]);
  assert.deepEqual([...kinds].sort(), ["env", "net", "read", "sys", "write"]);
  for (const audit of [first, second]) assert.deepEqual(await audit.programs(), [Deno.execPath()]);
});

Deno.test("audit: ngrokctl uses only what its set holds, and starts only the shell with the editor", async () => {
  const setup = SETUPS.ctl;
  await using stage = await openSetup(setup);
  await clean(stage, setup);
  await start(stage, setup);
  const editor = `${stage.directory}/editor`;
  await Deno.writeTextFile(editor, '#!/bin/sh\necho "# edited" >> "$1"\n', { mode: 0o755 });
  const commands = [
    "status",
    "list --json",
    "health",
    "refresh-cert",
    "set-api-key -",
    "version",
    "help",
    "nonsense",
    "config edit",
  ];
  const kinds = new Set<string>();
  for (const command of commands) {
    const audit = new Audit(`${stage.directory}/${command.split(" ")[0]}`, entriesOf(setup));
    const options = {
      ...audit.options({ environment: { EDITOR: editor } }),
      terminal: command === "config edit",
    };
    const { code, stderr } = await stage.ctl(command.split(" "), stage.cloud.apiKey, options);
    assert.equal(code, command === "nonsense" ? 2 : 0, stderr);
    for (const kind of await audit.kinds()) kinds.add(kind);
    const children = command === "config edit" ? ["/bin/sh", "/bin/sh", editor] : [];
    assert.deepEqual(await audit.programs(), [Deno.execPath(), ...children], command);
  }
  // Deno's record leaves the kind "run" out.
  assert.deepEqual([...kinds].sort(), ["env", "net", "read", "write"]);
});
