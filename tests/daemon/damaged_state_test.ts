import assert from "node:assert/strict";
import { runDaemon } from "../../src/daemon/run.ts";
import { TestCa } from "../fakes/test_ca.ts";
import { type FakeMachine, fakeMachine } from "./fake_machine.ts";
import { listOf, statusLine, statusOf, withDaemon } from "./with_daemon.ts";

const NAMES = ["first.myapp", "api.myapp", "db.myapp"];

/** A machine whose daemon had three endpoints, one of them on another port than its own, and was killed. */
interface KilledMachine extends FakeMachine {
  /** The state directory. */
  readonly state: string;
  /** Host name → address. */
  readonly ips: ReadonlyMap<string, string>;
  /** What the state directory holds, by name. */
  readonly files: ReadonlyMap<string, string>;
}

async function killedMachine(subnet: string): Promise<KilledMachine> {
  const machine = await fakeMachine(`net: {subnet: ${subnet}}`);
  const state = `${machine.directory}/state`;
  for (const name of NAMES) machine.cloud.addEndpoint({ url: `http://${name}:8371`, backend: "http" });
  using _held = Deno.listen({ hostname: subnet.replace("0.0/16", "0.2"), port: 8371 });
  const ips = new Map<string, string>();
  const files = new Map<string, string>();
  await withDaemon(machine, async () => {
    await demandService(machine);
    for (const { hostname, ip } of await listOf(machine)) ips.set(hostname, ip);
    for await (const { name } of Deno.readDir(state)) {
      files.set(name, await Deno.readTextFile(`${state}/${name}`));
    }
  });
  const killed = {
    ...machine,
    state,
    ips,
    files,
    [Symbol.asyncDispose]: () => machine[Symbol.asyncDispose](),
  };
  await restore(killed);
  return killed;
}

/** Puts everything back as it was when the daemon was killed. */
async function restore({ state, files }: KilledMachine): Promise<void> {
  for (const [name, text] of files) await Deno.writeTextFile(`${state}/${name}`, text);
}

async function demandService(machine: FakeMachine): Promise<void> {
  await machine.until("all are served", async () => {
    const rows = await listOf(machine);
    return rows.length === 3 && rows.every((row) => row.state === "active");
  });
  for (const row of await listOf(machine)) assert.match(await statusLine(row), / 200 /);
}

Deno.test("runDaemon() starts and serves with any file of its state cut off, sets it aside or makes it anew, and says so (F15)", async () => {
  await using machine = await killedMachine("127.133.0.0/16");
  const { state, files } = machine;
  assert.deepEqual([...files.keys()].sort(), [
    "endpoints.json",
    "ingress_endpoint.json",
    "ip_mappings.json",
    "journal.json",
    "network_ports.json",
    "operator_id",
    "tls.crt",
    "tls.key",
  ]);
  for (const [name, text] of files) {
    const { length } = text;
    for (const cut of name.endsWith(".json") ? [0, length >> 1, length - 1] : [length >> 1]) {
      await restore(machine);
      await Deno.writeTextFile(`${state}/${name}`, text.slice(0, cut));
      machine.out.length = 0;
      await withDaemon(machine, () => demandService(machine));
      // Half an id has the form of one: the cloud does not know it.
      if (name === "operator_id") assert.match(machine.out.join(""), /registering a new operator/);
      else {
        const level = name === "ingress_endpoint.json" ? /WARNING/ : /ERROR/;
        assert.ok(machine.out.some((line) => level.test(line) && line.includes(name)), `${name} ${cut}`);
        assert.equal(await Deno.readTextFile(`${state}/${name}.bad`), text.slice(0, cut));
        // The cloud names it again at once.
        if (name === "ingress_endpoint.json") assert.equal(await Deno.readTextFile(`${state}/${name}`), text);
      }
    }
  }
});

Deno.test("runDaemon() drops bad entries of its state with a reason, and gives the good names their addresses (F16)", async () => {
  await using machine = await killedMachine("127.134.0.0/16");
  const { state, ips } = machine;
  const table = {
    "outside.myapp": "10.1.2.3",
    "host.myapp": "127.0.0.1",
    "network.myapp": "127.134.0.0",
    "broadcast.myapp": "127.134.255.255",
    "twin.myapp": ips.get("api.myapp"),
    "number.myapp": 5,
    "evil\n6.6.6.6 bank": "127.134.0.50",
  };
  const good = { "api.myapp": "127.134.0.77", "db.myapp": "127.134.0.78" };
  await Deno.writeTextFile(
    `${state}/ip_mappings.json`,
    JSON.stringify({ ...good, "first.myapp": "127.134.0.77", ...table }),
  );
  await withDaemon(machine, async () => {
    await demandService(machine);
    const now = new Map((await listOf(machine)).map(({ hostname, ip }) => [hostname, ip]));
    assert.equal(now.get("api.myapp"), "127.134.0.77");
    assert.equal(now.get("db.myapp"), "127.134.0.78");
    assert.equal(new Set(now.values()).size, 3);
    const said = machine.out.join("");
    for (const name of ["first", "outside", "host", "network", "broadcast", "number"]) {
      assert.match(said, new RegExp(`(WARN|ERROR).*\\b${name}\\.myapp`));
    }
    assert.match(said, /evil\\\\?u000a6\.6\.6\.6/);
    assert.ok((await statusOf(machine)).problems.some((problem) => problem.includes("number.myapp")));
    const saved = JSON.parse(await Deno.readTextFile(`${state}/ip_mappings.json`));
    assert.deepEqual(Object.keys(saved).sort(), [...NAMES, "twin.myapp"].sort());
  });
});

Deno.test("runDaemon() refuses a private key that others can open, and a link, with the file and what to do (F17)", async () => {
  await using machine = await fakeMachine("net: {subnet: 127.135.0.0/16}");
  const key = `${machine.directory}/state/tls.key`;
  await Deno.mkdir(`${machine.directory}/state`, { mode: 0o700 });
  await Deno.writeTextFile(`${machine.directory}/elsewhere`, "key", { mode: 0o600 });
  const kinds: [() => Promise<unknown>, RegExp][] = [
    [
      () => Deno.writeTextFile(key, "key", { mode: 0o644 }),
      /^Error: Cannot use .*\/tls\.key: its mode is 0644.*\nRun: chmod 600 /,
    ],
    [
      () => new Deno.Command("ln", { args: ["-s", `${machine.directory}/elsewhere`, key] }).output(),
      /^Error: Cannot use .*\/tls\.key: it is a symbolic link\n/,
    ],
  ];
  if (Deno.uid() === 0) {
    kinds.push([
      async () => {
        await Deno.writeTextFile(key, "key", { mode: 0o600 });
        await Deno.chown(key, 1000, 1000);
      },
      /^Error: Cannot use .*\/tls\.key: it belongs to user 1000, and its directory to user 0\nRun: chown 0 /,
    ]);
  }
  for (const [create, says] of kinds) {
    await create();
    machine.err.length = 0;
    assert.equal(await runDaemon(["--config", machine.configPath], machine.system), 1);
    assert.match(machine.err.join(""), says);
    assert.deepEqual(machine.cloud.operators(), []);
    await Deno.remove(key);
  }
});

Deno.test("runDaemon() gets a new certificate where the key does not fit the old one, and serves with it (F18)", async () => {
  await using machine = await killedMachine("127.136.0.0/16");
  const { state } = machine;
  const cert = await Deno.readTextFile(`${state}/tls.crt`);
  const other = await (await TestCa.create()).pair();
  await Deno.writeTextFile(`${state}/tls.key`, other.key);
  const operators = machine.cloud.operators().map(({ id }) => id);
  await withDaemon(machine, async () => {
    await demandService(machine);
    assert.deepEqual(machine.cloud.operators().map(({ id }) => id), operators, "it is the same operator");
  });
  assert.notEqual(await Deno.readTextFile(`${state}/tls.crt`), cert);
  assert.deepEqual(
    [await Deno.readTextFile(`${state}/tls.crt.bad`), await Deno.readTextFile(`${state}/tls.key.bad`)],
    [cert, other.key],
  );
});
