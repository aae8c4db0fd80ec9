// Run by permissions_audit_test.ts on an /etc and /run of its own.
import assert from "node:assert/strict";
import type { HealthReport } from "../../src/model/report.ts";
import type { RunOptions, Stage } from "../../sim/stage.ts";
import type { ShippedSet } from "../../scripts/permission_flags.ts";
import { say } from "../root/commands.ts";
import { covers, entriesOf, shippedSet, type Use } from "./permission_entries.ts";
import {
  clean,
  failedScenarios,
  isThroughFirstRound,
  openWorld,
  surroundings,
  WORLDS,
} from "./permission_worlds.ts";

const KINDS = ["env", "net", "read", "sys", "write"];

/** Files that tell what one program did with its shipped set: Deno's record of permissions (refused ones too), and its system calls to run programs. */
class Watch {
  readonly #audit: string;
  readonly #trace: string;

  constructor(path: string) {
    this.#audit = `${path}.audit`;
    this.#trace = `${path}.trace`;
  }

  /** How to run a program under watch, beside what it is run with anyhow. The tracer stands aside: the program keeps its process id. */
  options(set: ShippedSet, { environment = {}, prelude = "true" }: RunOptions = {}): RunOptions {
    return {
      flags: [`-P=${set}`],
      environment: { ...environment, DENO_AUDIT_PERMISSIONS: this.#audit },
      prelude: `${prelude}; exec strace -D -f --seccomp-bpf -e trace=execve,execveat -o ${this.#trace} "$@"`,
    };
  }

  /** What was used or asked for. */
  async uses(): Promise<Use[]> {
    const lines = (await Deno.readTextFile(this.#audit)).split("\n").filter((line) => line !== "");
    return lines.map((line): Use => JSON.parse(line));
  }

  /** The programs that it was tried to start, the watched one itself first. */
  async programs(): Promise<string[]> {
    const text = await this.#wholeTrace();
    return [...text.matchAll(/execve(?:at)?\((?:[^"]*, )?"([^"]*)"/g)].map(([, path]) => path!);
  }

  /** The tracer writes the end of the program some time after it. */
  async #wholeTrace(): Promise<string> {
    const end = Date.now() + 5000;
    while (true) {
      const text = await Deno.readTextFile(this.#trace);
      const [pid] = text.split(" ");
      // The process ids stand in a column.
      if (new RegExp(`^${pid} +\\+\\+\\+ `, "m").test(text)) return text;
      assert.ok(Date.now() < end, `the trace has an end:\n${text}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

/** What the set does not hold, each once. */
function outside(set: ShippedSet, uses: readonly Use[]): string[] {
  const entries = entriesOf(shippedSet(set));
  const found = uses.filter((use) => !covers(entries, use));
  return [...new Set(found.map(({ permission, value }) => `${permission} ${value}`))];
}

/** Replaces the configuration, has it read at once, and waits for what it brings. */
async function reload(stage: Stage, text: string, done: () => Promise<boolean>): Promise<void> {
  await Deno.writeTextFile(stage.configPath, text);
  Deno.kill(stage.pid, "SIGHUP");
  await stage.until("the change is taken up", done);
}

Deno.test("in a long run ngrokd uses nothing that its set does not hold, and starts no program", async () => {
  const world = WORLDS.home;
  await using stage = await openWorld(world);
  await clean(stage, world);
  const first = new Watch(`${stage.directory}/first`);
  stage.startDaemon(first.options("ngrokd", surroundings(stage, world)));
  await stage.until("the first round", () => isThroughFirstRound(stage, world));
  assert.deepEqual(await failedScenarios(stage, world), []);
  const text = await Deno.readTextFile(stage.configPath);
  await stage.ask("refresh-cert", ["--force"]);
  await stage.ask("set-api-key", [stage.cloud.apiKey]);
  assert.equal((await stage.ask("health") as HealthReport).healthy, true);
  assert.equal((await fetch(`http://127.0.0.1:${stage.healthPort}/healthz`)).status, 200);
  const asked = (...args: string[]) => say(["dig", "+tries=1", "@127.120.0.1", ...args]);
  assert.match((await asked("lan.myapp")).stdout, /\s127\.0\.0\.1\n/);
  assert.match((await asked("+tcp", "lan.myapp")).stdout, /\s127\.0\.0\.1\n/);
  // Of another server, which cannot be reached.
  assert.match((await asked("+time=9", "example.org")).stdout, /SERVFAIL/);
  await reload(
    stage,
    `${text}broken: [\n`,
    async () => (await stage.askStatus()).config.state === "rejected",
  );
  await reload(
    stage,
    text.replace("net: {", "net: { listen_interface: lo,"),
    async () =>
      (await stage.askList()).some(({ hostname, ip }) => hostname === "db.myapp" && ip === "127.0.0.1"),
  );
  assert.equal(await stage.stopDaemon(), 0);

  // Again, with the files of the first run and no API.
  await stage.cloud.closeApi();
  const second = new Watch(`${stage.directory}/second`);
  stage.startDaemon(second.options("ngrokd", surroundings(stage, world)));
  await stage.until("the first round", () => isThroughFirstRound(stage, world));
  assert.equal((await stage.askStatus()).api.state, "unreachable");
  assert.equal(await stage.stopDaemon(), 0);

  const used = [...await first.uses(), ...await second.uses()];
  assert.deepEqual(outside("ngrokd", used), []);
  assert.deepEqual([...new Set(used.map(({ permission }) => permission))].sort(), KINDS);
  assert.deepEqual([...await first.programs(), ...await second.programs()], [
    Deno.execPath(),
    Deno.execPath(),
  ]);
});

Deno.test("ngrokctl uses nothing that its set does not hold, and starts the shell with the editor, and nothing else", async () => {
  const world = WORLDS.home;
  await using stage = await openWorld(world);
  await clean(stage, world);
  stage.startDaemon(surroundings(stage, world));
  await stage.until("the first round", () => isThroughFirstRound(stage, world));
  const editor = `${stage.directory}/editor`;
  await Deno.writeTextFile(editor, '#!/bin/sh\necho "# edited" >> "$1"\n', { mode: 0o755 });

  const commands = [
    ["status"],
    ["list", "--json"],
    ["health"],
    ["refresh-cert"],
    ["set-api-key", "-"],
    ["version"],
    ["help"],
    ["nonsense"],
    ["config", "edit"],
  ];
  const kinds = new Set<string>();
  for (const args of commands) {
    const watch = new Watch(`${stage.directory}/ctl-${args[0]}`);
    const { code, stderr } = await stage.ctl(
      args,
      stage.cloud.apiKey,
      watch.options("ngrokctl", { environment: { EDITOR: editor } }),
    );
    assert.equal(code, args[0] === "nonsense" ? 2 : 0, stderr);
    const used = await watch.uses();
    used.forEach(({ permission }) => kinds.add(permission));
    assert.deepEqual(outside("ngrokctl", used), [], args.join(" "));
    const children = args[0] === "config" ? ["/bin/sh", "/bin/sh", editor] : [];
    assert.deepEqual(await watch.programs(), [Deno.execPath(), ...children], args.join(" "));
  }
  // The record leaves the kind "run" out.
  assert.deepEqual([...kinds].sort(), ["env", "net", "read", "write"]);
});
