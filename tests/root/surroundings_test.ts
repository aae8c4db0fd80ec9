import assert from "node:assert/strict";
import { Stage } from "../../sim/stage.ts";
import type { EndpointReport, StatusReport } from "../../src/model/report.ts";
import { machineState, runProgram, shell } from "./commands.ts";
import { rootTests } from "./test_root.ts";

// The tests fill, freeze and mount over this /etc.
const test = rootTests(import.meta.url, { etc: true });

async function open(): Promise<Stage> {
  const stage = await Stage.open({ shipped: true, pollSeconds: 1 });
  add(stage, "api.myapp");
  return stage;
}

function add({ cloud }: Stage, name: string): void {
  cloud.addEndpoint({ url: `http://${name}`, backend: "http" });
}

/** Waits until status shows this state of names, and returns the reason. */
async function namesBecome(stage: Stage, state: StatusReport["names"]["state"]): Promise<string> {
  let names: StatusReport["names"] | undefined;
  await stage.until(`names are ${state}`, async () => {
    names = (await stage.askStatus()).names;
    return names.state === state;
  });
  return names!.reason ?? "";
}

/** Demands that an endpoint answers at its address, whether its name resolves or not. */
async function assertAnswers({ ip, hostname }: EndpointReport): Promise<void> {
  const { stdout } = await runProgram([
    "curl",
    "--silent",
    "--max-time",
    "5",
    "-H",
    `Host: ${hostname}`,
    `http://${ip}/`,
  ]);
  assert.match(stdout, new RegExp(hostname));
}

/** The number of lines of the log with this text. */
function logged({ log }: Stage, text: string): number {
  return log.filter((line) => line.includes(text)).length;
}

async function hosts(): Promise<string> {
  return await Deno.readTextFile("/etc/hosts");
}

/** The empty files of ngrokd. */
async function emptyFiles(): Promise<string> {
  return await shell("find /etc/ngrokd /etc/hosts* -type f -size 0");
}

test("a full disk damages no file, shows in status with a hint, and ngrokd recovers with room (F2)", async () => {
  await using stage = await open();
  const before = await machineState();
  const fill = "mount -o remount,size=1m /mnt; dd if=/dev/zero of=/mnt/full bs=4k status=none || true";
  const makeRoom = "rm /mnt/full";

  // At the first start the key has no room.
  await shell(fill);
  stage.startDaemon();
  await stage.until("the key has no room", async () => {
    const { api } = await stage.askStatus();
    return /Cannot write .*: the disk is full/.test(api.error ?? "");
  });
  assert.match((await stage.askStatus()).api.hint!, /[Mm]ake room/);
  assert.equal(await emptyFiles(), "");
  await shell(makeRoom);
  const [row] = await stage.settled(1);
  await assertAnswers(row!);
  assert.equal(await namesBecome(stage, "ok"), "");

  // After a change state and names have no room.
  const [old, state] = [await hosts(), await Deno.readTextFile(`${stage.etc}/ip_mappings.json`)];
  await shell(fill);
  add(stage, "late.myapp");
  assert.match(
    await namesBecome(stage, "failing"),
    /^Cannot write \/etc\/hosts\S*: the disk is full \(Make room/,
  );
  const rows = await stage.settled(2);
  for (const each of rows) await assertAnswers(each);
  const { state_error: unsaved } = await stage.askStatus();
  assert.match(unsaved!, /^Cannot write \/etc\/ngrokd\/.*: the disk is full \(Make room/);
  assert.equal(await hosts(), old);
  assert.equal(await Deno.readTextFile(`${stage.etc}/ip_mappings.json`), state);
  assert.equal(await emptyFiles(), "");
  await shell(makeRoom);
  await namesBecome(stage, "ok");
  assert.match(await hosts(), /\tlate\.myapp\n/);
  await stage.until("the state is saved", async () => (await stage.askStatus()).state_error === null);
  assert.match(await Deno.readTextFile(`${stage.etc}/ip_mappings.json`), /late\.myapp/);
  assert.equal(logged(stage, "Cannot write /etc/hosts"), 1);
  assert.equal(await stage.stopDaemon(), 0);
  assert.deepEqual(await machineState(), before);
});

test("on a read-only /etc ngrokd serves addresses and reports that names do not resolve (F3)", async () => {
  await using stage = await open();
  stage.startDaemon();
  await stage.settled(1);
  assert.equal(await stage.stopDaemon(), 0);
  const before = await machineState();
  await shell("mount -o remount,bind,ro /etc");
  stage.startDaemon();
  const reason = await namesBecome(stage, "failing");
  assert.match(reason, /^Cannot write \/etc\/hosts: the file system is read-only \(.*NGROKD_HOSTS_PATH/);
  const [row] = await stage.settled(1);
  await assertAnswers(row!);
  const health = await fetch(`http://127.0.0.1:${stage.healthPort}/status`);
  assert.match((await health.json()).reasons.join(), /Names: Cannot write \/etc\/hosts/);
  const { pid, uptime_seconds: uptime } = { pid: stage.pid, ...await stage.askStatus() };
  const polls = stage.cloud.requests().length;
  await stage.until("it keeps polling", () => Promise.resolve(stage.cloud.requests().length > polls + 1));
  assert.ok((await stage.askStatus()).uptime_seconds > uptime);
  assert.equal(stage.pid, pid);
  assert.equal(logged(stage, "Cannot write /etc/hosts"), 1);
  assert.equal(await stage.stopDaemon(), 0);
  await shell("mount -o remount,bind,rw /etc");
  assert.deepEqual(await machineState(), before);
});

test("a hosts file that is a bind mount is written in place, with one warning (F4)", async () => {
  await using stage = await open();
  await shell("cp -p /etc/hosts /run/hosts; mount --bind /run/hosts /etc/hosts");
  const before = await machineState();
  const { ino } = await Deno.stat("/etc/hosts");
  stage.startDaemon();
  await stage.settled(1);
  add(stage, "late.myapp");
  await stage.settled(2);
  const names = [...(await hosts()).matchAll(/\t(\w+\.myapp)\n/g)].map(([, name]) => name);
  assert.deepEqual(names.sort(), ["api.myapp", "late.myapp"]);
  assert.equal((await Deno.stat("/etc/hosts")).ino, ino);
  assert.equal(logged(stage, "Cannot replace /etc/hosts; writing it in place"), 1);
  assert.equal(await stage.stopDaemon(), 0);
  assert.deepEqual(await machineState(), before);
});

test("an immutable hosts file is reported with a hint, and written once it is mutable (F7)", async () => {
  await using stage = await open();
  const before = await machineState();
  await shell("chattr +i /etc/hosts");
  stage.startDaemon();
  assert.match(
    await namesBecome(stage, "failing"),
    /^Cannot write \/etc\/hosts: .*\(.*lsattr \/etc\/hosts/,
  );
  const [row] = await stage.settled(1);
  await assertAnswers(row!);
  assert.equal((await machineState()).hosts, before.hosts);
  assert.equal(logged(stage, "Cannot write /etc/hosts"), 1);
  await shell("chattr -i /etc/hosts");
  await namesBecome(stage, "ok");
  assert.match(await hosts(), /\tapi\.myapp\n/);
  assert.equal(await stage.stopDaemon(), 0);
  assert.deepEqual(await machineState(), before);
});

test("under umask 077 everybody can read the hosts file, and only root the private key (F8)", async () => {
  await using stage = await open();
  await shell("chown root:adm /etc/hosts; chmod 664 /etc/hosts");
  const before = await machineState();
  stage.startDaemon({ prelude: "umask 077" });
  await stage.settled(1);
  const nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
  assert.match((await runProgram([...nobody, "getent", "hosts", "api.myapp"])).stdout, /^10\.107\.[0-9.]+ /);
  assert.equal(await shell("stat --format='%a %U:%G' /etc/hosts"), "664 root:adm\n");
  assert.equal(await shell("stat --format='%a %U:%G' /etc/ngrokd/tls.key"), "600 root:root\n");
  assert.equal(await stage.stopDaemon(), 0);
  assert.deepEqual(await machineState(), before);
});

const OUTPUTS = {
  "has lost its reader": "mkfifo /run/pipe; head -1 /run/pipe >/dev/null & exec >/run/pipe 2>&1",
  "is closed": "exec >&- 2>&-",
  "is a file on a full disk": "mkdir /run/log; mount -t tmpfs -o size=16k tmpfs /run/log; " +
    "dd if=/dev/zero of=/run/log/full bs=4k 2>/dev/null; exec >/run/log/out 2>&1",
};

for (const [state, prelude] of Object.entries(OUTPUTS)) {
  test(`ngrokd keeps serving if its output ${state} (F28)`, async () => {
    await using stage = await open();
    stage.startDaemon({ prelude });
    const [row] = await stage.settled(1);
    await assertAnswers(row!);
    // Status has everything that matters without a log.
    const { stdout } = await stage.ctl(["status"]);
    assert.match(stdout, /Active: +1 of 1/);
    assert.equal(await stage.stopDaemon(), 0);
    assert.equal(stage.log.length, 0);
  });
}
