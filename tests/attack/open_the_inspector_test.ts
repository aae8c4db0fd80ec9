// SIGUSR1 opens the inspector of the runtime at 127.0.0.1:9229. Whoever connects runs code in the
// process, which is root's; a script that rotates logs may well send it.
import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import { Stage } from "../../sim/stage.ts";
import { SIGNAL_VARIABLE } from "../../src/config/environment_warnings.ts";
import { DaemonProcess, PROGRAM } from "../long/crash/daemon_process.ts";
import { runProgram, shell } from "../root/commands.ts";
import { rootTests } from "../root/test_root.ts";

const testInside = rootTests(import.meta.url, { etc: true });

/** Every way to start the daemon, and what it prints once it serves. */
const WAYS: Readonly<Record<string, { argv: readonly string[]; ready: string }>> = {
  "deno task ngrokd": { argv: [Deno.execPath(), "task", "--quiet", "ngrokd"], ready: " is running" },
  "deno task launch": { argv: [Deno.execPath(), "task", "--quiet", "launch"], ready: " is running" },
  "deno task dev": { argv: [Deno.execPath(), "task", "--quiet", "dev"], ready: "Press Ctrl-C" },
  "the command line by hand": { argv: PROGRAM, ready: " is running" },
  // As after a shell, which clears the mask and keeps the variable.
  "a variable that says blocked": {
    argv: ["/usr/bin/env", `${SIGNAL_VARIABLE}=blocked`, ...PROGRAM],
    ready: " is running",
  },
};
const ROOT = new URL("../../", import.meta.url).pathname;
const SIGNALS = 5;

for (const [way, { argv, ready }] of Object.entries(WAYS)) {
  testInside(`SIGUSR1 opens no inspector to a local user: ${way}`, async () => {
    await using stage = await Stage.open({ shipped: true });
    const daemon = new DaemonProcess(argv);
    await daemon.until("it serves", () => daemon.log.some((line) => line.includes(ready)));
    await daemon.until("every process handles SIGUSR1", async () => {
      const { processes } = await machine(daemon.pid);
      return (await Promise.all(processes.map(handlesSignal))).every(Boolean);
    });
    if (ready === " is running") {
      await daemon.until("the health server listens", async () => {
        const { listeners } = await machine(daemon.pid);
        return listeners.some((address) => address.endsWith(`:${stage.healthPort}`));
      });
    }
    let before = await machine(daemon.pid);
    await daemon.until("no program of its start is left", async () => {
      const last = before;
      before = await machine(daemon.pid);
      return isDeepStrictEqual(before, last);
    });
    for (let count = 0; count < SIGNALS; count++) {
      for (const pid of before.processes) Deno.kill(pid, "SIGUSR1");
      assert.equal(await answerOfInspector(), "", "the inspector answers a local user");
    }
    assert.deepEqual(await machine(daemon.pid), before);
    if (ready === " is running") {
      await sendProfilerSignal(way, before);
      assert.equal((await stage.askStatus()).config.state, "ok");
    }
    daemon.kill("SIGTERM");
    assert.equal((await daemon.ended).code, 0, daemon.log.join("\n"));
  });
}

testInside("SIGUSR1 opens no inspector to a local user: ngrokctl by hand", async () => {
  await using stage = await Stage.open({ shipped: true });
  const editor = `sh -c 'echo editing; until [ -e ${stage.directory}/done ]; do sleep 0.1; done'`;
  const command = `'${Deno.execPath()}' run --config='${ROOT}deno.json' --quiet --no-prompt -P=ngrokctl ` +
    `'${ROOT}ctl.ts' config edit`;
  // `config edit` needs a terminal.
  const terminal = new DaemonProcess([
    ...["/usr/bin/env", `EDITOR=${editor}`, "script", "--quiet", "--return", "--command", `exec ${command}`],
    "/dev/null",
  ]);
  await terminal.until("the editor is open", () => terminal.log.some((line) => line.includes("editing")));
  const [, ctl] = (await machine(terminal.pid)).processes;
  await terminal.until("it handles SIGUSR1", () => handlesSignal(ctl!));
  for (let count = 0; count < SIGNALS; count++) {
    Deno.kill(ctl!, "SIGUSR1");
    assert.equal(await answerOfInspector(), "", "the inspector answers a local user");
  }
  await Deno.writeTextFile(`${stage.directory}/done`, "");
  assert.equal((await terminal.ended).code, 0, terminal.log.join("\n"));
});

/**
 * Sends SIGPROF to all processes but `deno task`, and demands that they go on. The launcher ended,
 * and left the daemon behind.
 */
async function sendProfilerSignal(way: string, before: Awaited<ReturnType<typeof machine>>): Promise<void> {
  const [root, ...rest] = before.processes;
  for (const pid of way.startsWith("deno task ") ? rest : [root!, ...rest]) Deno.kill(pid, "SIGPROF");
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.deepEqual(await machine(root!), before);
}

/** The processes of a daemon but `ip`, which each poll starts, and the TCP listeners. */
async function machine(root: number): Promise<{ processes: number[]; listeners: string[] }> {
  const rows = (await shell("ps -eo pid=,ppid=,comm=")).trim().split("\n")
    .map((row) => row.trim().split(/ +/))
    .filter(([, , program]) => program !== "ip")
    .map((row) => row.slice(0, 2).map(Number));
  const processes = [root];
  for (const parent of processes) {
    processes.push(...rows.filter(([, ppid]) => ppid === parent).map(([pid]) => pid!));
  }
  const listeners = (await shell("ss -Hltn")).trim().split("\n").map((row) => row.split(/ +/)[3]!);
  return { processes, listeners: listeners.sort() };
}

/** Returns true once the runtime handles SIGUSR1, half a second after its start. */
async function handlesSignal(pid: number): Promise<boolean> {
  const [, mask = "0"] = /^SigCgt:\s+([0-9a-f]+)$/m.exec(await shell(`cat /proc/${pid}/status`)) ?? [];
  return (BigInt(`0x${mask}`) & (1n << 9n)) !== 0n;
}

/** The first byte that uid 65534 gets from the port of the inspector within half a second. */
async function answerOfInspector(): Promise<string> {
  const script = `
    for i in 1 2 3 4 5; do
      { exec 3<>/dev/tcp/127.0.0.1/9229; } 2>/dev/null || { sleep 0.1; continue; }
      printf 'GET /json HTTP/1.1\\r\\nHost: 127.0.0.1:9229\\r\\n\\r\\n' >&3
      timeout 0.5 head -c 1 <&3
      exit
    done`;
  const nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
  return (await runProgram([...nobody, "bash", "-c", script])).stdout;
}
