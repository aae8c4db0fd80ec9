import assert from "node:assert/strict";
import { renderBlock } from "../../src/names/hosts/hosts_block.ts";
import { FakeMachine } from "../fakes/fake_machine.ts";
import { makeFifo, makeLink } from "../fakes/special_files.ts";
import { statusLine, withDaemon } from "../fakes/with_daemon.ts";

const USER = "127.0.0.1 localhost\n";

/**
 * A machine with one endpoint. It polls once a minute, so that only the watch notices an edit of
 * the hosts file.
 */
async function machineWithEndpoint(): Promise<FakeMachine> {
  const machine = await FakeMachine.create({ pollSeconds: 60 });
  machine.cloud.addEndpoint({ url: "http://api.myapp:8361", backend: "http" });
  return machine;
}

for (
  const [what, create] of [
    ["a directory", (path: string) => Deno.mkdir(path)],
    ["a FIFO", makeFifo],
    ["a link to a device", (path: string) => makeLink("/dev/zero", path)],
    ["a link to nothing", (path: string) => makeLink("/nowhere/hosts", path)],
  ] as const
) {
  Deno.test(`runDaemon() serves within 2 s and reports why when the hosts file is ${what} (F5, F6)`, async () => {
    await using machine = await machineWithEndpoint();
    const { hostsPath } = machine;
    await create(hostsPath);
    const wasLink = (await Deno.lstat(hostsPath)).isSymlink;
    const started = performance.now();
    await withDaemon(machine, async () => {
      const [row] = await machine.active(1);
      assert.ok(performance.now() - started < 2000);
      assert.match(await statusLine(row!), / 200 /);
      const { names } = await machine.askStatus();
      assert.equal(names.state, "failing");
      assert.match(
        names.reason!,
        /^Cannot (read|write) .*\/hosts: it is (not a regular file|a dangling symlink)/,
      );
    });
    assert.equal((await Deno.lstat(hostsPath)).isSymlink, wasLink);
    await assert.rejects(Deno.stat("/nowhere/hosts"), Deno.errors.NotFound);
  });
}

// It waited for a person to repair the file, and published nothing meanwhile.
Deno.test("runDaemon() mends a section without an end, at its start and after kill -9 (F9, R101)", async () => {
  await using machine = await machineWithEndpoint();
  const { hostsPath } = machine;
  const others = `${USER}10.0.0.1 mine\n`;
  await Deno.writeTextFile(hostsPath, `${USER}# BEGIN ngrokd managed section\n10.0.0.1 mine\n`);
  let broken = "";
  let journal = "";
  const untilPublished = async () => {
    await machine.until("the section", async () => /END ngrokd/.test(await Deno.readTextFile(hostsPath)));
    assert.equal((await machine.askStatus()).names.state, "ok");
  };
  await withDaemon(machine, async () => {
    await untilPublished();
    broken = (await Deno.readTextFile(hostsPath)).replace(/# BEGIN.*\n/, "");
    journal = await Deno.readTextFile(`${machine.etc}/journal.json`);
  });
  assert.equal(await Deno.readTextFile(hostsPath), others);

  const kill = async () => {
    await Deno.writeTextFile(hostsPath, broken.replace(/# END.*\n/, ""));
    await Deno.writeTextFile(`${machine.etc}/journal.json`, journal);
  };
  await kill();
  await withDaemon(machine, untilPublished);
  assert.equal(await Deno.readTextFile(hostsPath), others);
  await kill();
  assert.equal(await machine.run("cleanup"), 0, machine.logText + machine.err.join(""));
  assert.equal(await Deno.readTextFile(hostsPath), others);
});

// It waited for the next poll.
Deno.test("runDaemon() restores its section 2 s after an edit, and keeps other edits (F11, F12)", async () => {
  await using machine = await machineWithEndpoint();
  const { hostsPath, network } = machine;
  await Deno.writeTextFile(hostsPath, USER);
  await withDaemon(machine, async () => {
    const address = network.address("0.2");
    const section = renderBlock(new Map([["api.myapp", address]]));
    await machine.until("the section", async () => (await Deno.readTextFile(hostsPath)).includes(section));
    const text = await Deno.readTextFile(hostsPath);
    for (
      const [edited, expected] of [
        [`# mine\n${text.replace(address, "6.6.6.6")}10.0.0.1 nas\n`, `# mine\n${text}10.0.0.1 nas\n`],
        [USER, text],
      ] as const
    ) {
      machine.log.length = 0;
      await Deno.writeTextFile(hostsPath, edited);
      const started = performance.now();
      await machine.until("the restored text", async () => await Deno.readTextFile(hostsPath) === expected);
      assert.ok(performance.now() - started < 2000);
      await machine.untilLogged("that another program changed");
    }
  });
  assert.equal(await Deno.readTextFile(hostsPath), USER);
});
