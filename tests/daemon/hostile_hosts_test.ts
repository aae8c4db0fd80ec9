import assert from "node:assert/strict";
import { renderBlock } from "../../src/names/hosts/hosts_block.ts";
import { type FakeMachine, fakeMachine } from "./fake_machine.ts";
import { listOf, statusLine, statusOf, withDaemon } from "./with_daemon.ts";

const USER = "127.0.0.1 localhost\n";

/** A machine with one endpoint; what happens to its hosts file is noticed without a poll, which comes once a minute only. */
async function machineAt(subnet: string): Promise<FakeMachine> {
  const machine = await fakeMachine(`net: {subnet: ${subnet}}`);
  const text = await Deno.readTextFile(machine.configPath);
  await Deno.writeTextFile(machine.configPath, text.replace("poll_interval: 1", "poll_interval: 60"));
  machine.cloud.addEndpoint({ url: "http://api.myapp:8361", backend: "http" });
  return machine;
}

async function make(...argv: [string, ...string[]]): Promise<void> {
  const [program, ...args] = argv;
  assert.ok((await new Deno.Command(program, { args }).output()).success);
}

for (
  const [what, create] of [
    ["a directory", (path: string) => Deno.mkdir(path)],
    ["a FIFO", (path: string) => make("mkfifo", path)],
    ["a link to a device", (path: string) => make("ln", "-s", "/dev/zero", path)],
    ["a link to nothing", (path: string) => make("ln", "-s", "/nowhere/hosts", path)],
  ] as const
) {
  Deno.test(`runDaemon() serves within 2 s where the hosts file is ${what}, and says why names are missing (F5, F6)`, async () => {
    await using machine = await machineAt("127.130.0.0/16");
    const path = `${machine.directory}/hosts`;
    await create(path);
    const kind = (await Deno.lstat(path)).isSymlink;
    const started = performance.now();
    await withDaemon(machine, async () => {
      await machine.until("it is listed", async () => (await listOf(machine))[0]?.state === "active");
      assert.ok(performance.now() - started < 2000);
      assert.match(await statusLine((await listOf(machine))[0]!), / 200 /);
      const { names } = await statusOf(machine);
      assert.equal(names.state, "failing");
      assert.match(
        names.reason!,
        /^Cannot (read|write) .*\/hosts: it is (not a regular file|a dangling symlink)/,
      );
    });
    assert.equal((await Deno.lstat(path)).isSymlink, kind);
    await assert.rejects(Deno.stat("/nowhere/hosts"), Deno.errors.NotFound);
  });
}

Deno.test("runDaemon() names the line of a section without an end, touches nothing, and writes again when it is mended (F9)", async () => {
  await using machine = await machineAt("127.131.0.0/16");
  const path = `${machine.directory}/hosts`;
  const damaged = `${USER}# BEGIN ngrokd managed section\n10.0.0.1 mine\n`;
  const says = /line 2 begins a managed section that no line ends/;
  await Deno.writeTextFile(path, damaged);
  await withDaemon(machine, async () => {
    await machine.until("it says so", async () => (await statusOf(machine)).names.state === "failing");
    assert.match((await statusOf(machine)).names.reason!, says);
    assert.match(machine.out.join(""), says);
    assert.equal(await Deno.readTextFile(path), damaged);
    await Deno.writeTextFile(path, USER);
    await machine.until("it is mended", async () => (await Deno.readTextFile(path)).includes("api.myapp"));
    await machine.until("it says so", async () => (await statusOf(machine)).names.state === "ok");
  });
  assert.equal(await Deno.readTextFile(path), USER);
});

Deno.test("runDaemon() puts its section back within 5 s of an edit, keeps what else was edited, and logs it (it waited for the poll) (F11, F12)", async () => {
  await using machine = await machineAt("127.132.0.0/16");
  const path = `${machine.directory}/hosts`;
  await Deno.writeTextFile(path, USER);
  await withDaemon(machine, async () => {
    const section = renderBlock(new Map([["api.myapp", "127.132.0.2"]]));
    await machine.until("it is published", async () => (await Deno.readTextFile(path)).includes(section));
    const text = await Deno.readTextFile(path);
    for (
      const [edited, expected] of [
        [`# mine\n${text.replace("127.132.0.2", "6.6.6.6")}10.0.0.1 nas\n`, `# mine\n${text}10.0.0.1 nas\n`],
        [USER, text],
      ] as const
    ) {
      const before = machine.out.length;
      await Deno.writeTextFile(path, edited);
      const started = performance.now();
      await machine.until("it is put back", async () => await Deno.readTextFile(path) === expected);
      assert.ok(performance.now() - started < 5000);
      await machine.until(
        "it is logged",
        () => machine.out.slice(before).some((line) => line.includes("ngrokd restored its lines")),
      );
    }
  });
  assert.equal(await Deno.readTextFile(path), USER);
});
