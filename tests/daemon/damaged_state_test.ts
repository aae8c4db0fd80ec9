import assert from "node:assert/strict";
import { TestCa } from "../fakes/test_ca.ts";
import { FakeMachine } from "../fakes/fake_machine.ts";
import { makeLink } from "../fakes/special_files.ts";
import { shell } from "../root/commands.ts";
import { statusLine, withDaemon } from "../fakes/with_daemon.ts";

const NAMES = ["first.myapp", "api.myapp", "db.myapp"];
const CONFIGURATION = ["ca.pem", "config.yml"];

/** A daemon with three endpoints on remapped ports was killed on this machine. */
interface KilledMachine extends AsyncDisposable {
  readonly machine: FakeMachine;
  /** Host name → address. */
  readonly ips: ReadonlyMap<string, string>;
  /** The state files by name. */
  readonly files: ReadonlyMap<string, string>;
  /** Writes the state files again. */
  restore(): Promise<void>;
}

async function killedMachine(): Promise<KilledMachine> {
  const machine = await FakeMachine.create({ net: "publish_moved_ports: true" });
  const { etc, cloud } = machine;
  for (const name of NAMES) cloud.addEndpoint({ url: `http://${name}:8371`, backend: "http" });
  using _held = machine.holdPort(8371);
  const ips = new Map<string, string>();
  const files = new Map<string, string>();
  await withDaemon(machine, async () => {
    await assertServesAll(machine);
    for (const { hostname, ip } of await machine.askList()) ips.set(hostname, ip);
    for await (const { name } of Deno.readDir(etc)) {
      if (!CONFIGURATION.includes(name)) files.set(name, await Deno.readTextFile(`${etc}/${name}`));
    }
  });
  async function restore(): Promise<void> {
    for (const [name, text] of files) await Deno.writeTextFile(`${etc}/${name}`, text);
  }
  await restore();
  return { machine, ips, files, restore, [Symbol.asyncDispose]: () => machine[Symbol.asyncDispose]() };
}

async function assertServesAll(machine: FakeMachine): Promise<void> {
  for (const row of await machine.active(3)) assert.match(await statusLine(row), / 200 /);
}

Deno.test("runDaemon() starts and serves with any state file cut off, and sets the file aside (F15)", async () => {
  await using killed = await killedMachine();
  const { machine, files } = killed;
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
    const path = `${machine.etc}/${name}`;
    for (const cut of name.endsWith(".json") ? [0, length >> 1, length - 1] : [length >> 1]) {
      await killed.restore();
      await Deno.writeTextFile(path, text.slice(0, cut));
      machine.log.length = 0;
      await withDaemon(machine, () => assertServesAll(machine));
      // Half an operator id looks like an id; only the cloud knows that there is no such operator.
      if (name === "operator_id") assert.match(machine.logText, /registering a new operator/);
      else {
        const level = name === "ingress_endpoint.json" ? /WARNING/ : /ERROR/;
        assert.ok(machine.log.some((line) => level.test(line) && line.includes(name)), `${name} ${cut}`);
        assert.equal(await Deno.readTextFile(`${path}.bad`), text.slice(0, cut));
        // The cloud names the ingress again at once.
        if (name === "ingress_endpoint.json") assert.equal(await Deno.readTextFile(path), text);
      }
    }
  }
});

Deno.test("runDaemon() drops bad leases with a reason and keeps the good ones (F16)", async () => {
  await using killed = await killedMachine();
  const { machine, ips } = killed;
  const { network } = machine;
  const path = `${machine.etc}/ip_mappings.json`;
  await Deno.writeTextFile(
    path,
    JSON.stringify({
      "api.myapp": network.address("0.77"),
      "db.myapp": network.address("0.78"),
      "first.myapp": network.address("0.77"),
      "outside.myapp": "10.1.2.3",
      "host.myapp": "127.0.0.1",
      "network.myapp": network.address("0.0"),
      "broadcast.myapp": network.address("255.255"),
      "duplicate.myapp": ips.get("api.myapp"),
      "number.myapp": 5,
      "evil\n6.6.6.6 bank": network.address("0.50"),
    }),
  );
  await withDaemon(machine, async () => {
    await assertServesAll(machine);
    const now = new Map((await machine.askList()).map(({ hostname, ip }) => [hostname, ip]));
    assert.equal(now.get("api.myapp"), network.address("0.77"));
    assert.equal(now.get("db.myapp"), network.address("0.78"));
    assert.equal(new Set(now.values()).size, 3);
    for (const name of ["first", "outside", "host", "network", "broadcast", "number"]) {
      assert.match(machine.logText, new RegExp(`(WARN|ERROR).*\\b${name}\\.myapp`));
    }
    assert.match(machine.logText, /evil\\\\?u000a6\.6\.6\.6/);
    const { notes, problems } = await machine.askStatus();
    assert.match(notes.join(), /number\.myapp/);
    assert.deepEqual(problems, [], "the start has repaired it");
    const saved = JSON.parse(await Deno.readTextFile(path));
    assert.deepEqual(Object.keys(saved).sort(), [...NAMES, "duplicate.myapp"].sort());
  });
});

Deno.test("runDaemon() replaces a key file that is a link or open to others, and reports it (F17)", async () => {
  await using killed = await killedMachine();
  const { machine } = killed;
  const key = `${machine.etc}/tls.key`;
  const cases: [create: () => Promise<unknown>, expected: RegExp][] = [
    [() => Deno.chmod(key, 0o644), /tls\.key: its mode is 0644, so that others can open it; it is kept as /],
    [async () => {
      await Deno.rename(key, `${machine.directory}/elsewhere`);
      await makeLink(`${machine.directory}/elsewhere`, key);
    }, /tls\.key: it is a symbolic link; it is kept as /],
  ];
  if (Deno.uid() === 0) {
    cases.push([() => Deno.chown(key, 1000, 1000), /tls\.key: its owner is user 1000; it is kept as /]);
  }
  for (const [create, expected] of cases) {
    const old = await Deno.readTextFile(key);
    await create();
    machine.log.length = 0;
    await withDaemon(machine, () => assertServesAll(machine));
    assert.match(machine.logText, expected);
    assert.notEqual(await Deno.readTextFile(key), old);
    assert.equal((await Deno.lstat(key)).mode! & 0o777, 0o600);
  }
});

Deno.test({
  name: "runDaemon() as root keeps the identity of a service user, after the commands of its hints",
  ignore: Deno.uid() !== 0,
  async fn() {
    await using killed = await killedMachine();
    const { machine, files } = killed;
    await shell(`chown -R 998 '${machine.etc}'; chown 0 '${machine.etc}/ca.pem'`);
    for (let hints = 0; hints < 2; hints++) {
      machine.err.length = 0;
      assert.equal(await machine.run(), 1);
      await shell(/^Run: (chown .*)$/m.exec(machine.err.join(""))![1]!);
    }
    await withDaemon(machine, () => assertServesAll(machine));
    for (const name of ["operator_id", "tls.key"]) {
      assert.equal(await Deno.readTextFile(`${machine.etc}/${name}`), files.get(name));
    }
    assert.equal(machine.cloud.operators().length, 1);
  },
});

Deno.test("runDaemon() gets a new certificate when the key does not fit the old one (F18)", async () => {
  await using killed = await killedMachine();
  const { machine } = killed;
  const [certPath, keyPath] = [`${machine.etc}/tls.crt`, `${machine.etc}/tls.key`];
  const cert = await Deno.readTextFile(certPath);
  const other = await (await TestCa.create()).pair();
  await Deno.writeTextFile(keyPath, other.key);
  const operatorIds = () => machine.cloud.operators().map(({ id }) => id);
  const before = operatorIds();
  await withDaemon(machine, async () => {
    await assertServesAll(machine);
    assert.deepEqual(operatorIds(), before, "the operator is the same");
  });
  assert.notEqual(await Deno.readTextFile(certPath), cert);
  assert.equal(await Deno.readTextFile(`${certPath}.bad`), cert);
  assert.equal(await Deno.readTextFile(`${keyPath}.bad`), other.key);
});
