// Run by service_test.ts on an /etc and /run of its own, in the control group of the variable
// CGROUP.
import assert from "node:assert/strict";
import { Stage } from "../../sim/stage.ts";
import { machineState, runProgram, shell } from "./commands.ts";

const ROOT = new URL("../..", import.meta.url).pathname;
const UNIT = "/etc/systemd/system/ngrokd.service";
const PROGRAM = "/run/ngrokd-program";
/** Each of the four starts runs the clean-up, on a machine that does other work, too. */
const GIVES_UP_LIMIT_MS = 60_000;

/**
 * systemd as the first process of namespaces of its own, with the files and network of the test.
 */
class ServiceManager implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;

  constructor() {
    const unshare = "unshare --cgroup --mount --pid --fork --kill-child --mount-proc";
    const start = [
      'echo $$ >"$CGROUP/cgroup.procs"',
      `exec ${unshare} /bin/sh -ec 'umount -lR /sys/fs/cgroup; mount -t cgroup2 cgroup2 /sys/fs/cgroup; exec "$@"' sh "$@"`,
    ].join("\n");
    const systemd = ["/lib/systemd/systemd", "--system", "--unit=ngrokd.service", "--show-status=0"];
    this.#process = new Deno.Command("/bin/sh", {
      args: ["-ec", start, "sh", ...systemd],
      env: { container: "unshare" },
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
  }

  async systemctl(...args: string[]): Promise<string> {
    const [pid] = (await shell("pgrep -x systemd")).split("\n");
    const { stdout } = await runProgram([
      "nsenter",
      `--target=${pid}`,
      "--pid",
      "--mount",
      "systemctl",
      ...args,
    ]);
    return stdout;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.status;
  }
}

Deno.test("systemd gives up a daemon that keeps crashing, and cleanup leaves nothing", async () => {
  await using stage = await Stage.open({ shipped: true });
  stage.cloud.addEndpoint({ url: "http://api.myapp", backend: "http" });
  const environment = ["PATH", "HOME", "DENO_DIR"].map((name) => [name, Deno.env.get(name)] as const)
    .filter(([, value]) => value !== undefined).map(([name, value]) => `"${name}=${value}"`);
  const ngrokd = `${Deno.execPath()} run -P=ngrokd --no-prompt --config=${ROOT}deno.json ${ROOT}main.ts`;
  await Deno.writeTextFile(PROGRAM, `#!/bin/sh\nexec ${ngrokd} "$@"\n`, { mode: 0o755 });
  const unit = [
    "[Unit]",
    "DefaultDependencies=no",
    "StartLimitIntervalSec=120",
    "StartLimitBurst=3",
    "[Service]",
    `Environment=${environment.join(" ")}`,
    `ExecStart=${PROGRAM} --config=${stage.configPath}`,
    `ExecStopPost=-+${ngrokd} cleanup`,
    "Restart=always",
    "RestartSec=10ms",
  ];
  await Deno.writeTextFile(UNIT, `${unit.join("\n")}\n`);
  const before = await machineState();

  await using manager = new ServiceManager();
  await stage.settled(1);
  assert.match((await machineState()).hosts!, /\tapi\.myapp\n/);
  await Deno.writeTextFile(stage.configPath, "broken: [\n");
  await Deno.remove(PROGRAM);
  await Deno.writeTextFile(PROGRAM, "no program", { mode: 0o755 });
  await manager.systemctl("kill", "--signal=KILL", "ngrokd");
  let state = "";
  await stage.until("systemd gives up", async () => {
    state = await manager.systemctl("show", "--property=ActiveState,NRestarts", "ngrokd");
    return state.includes("ActiveState=failed");
  }, GIVES_UP_LIMIT_MS);
  assert.match(state, /^NRestarts=3$/m);
  assert.deepEqual(await machineState(), before);
});
