import assert from "node:assert/strict";
import { FileError } from "../../src/model/errors.ts";
import { STATE_FILES } from "../../src/model/state_files.ts";
import { runDaemon } from "../../src/daemon/run.ts";
import { realSystem } from "../../src/system/system.ts";
import type { Fault } from "../../sim/cloud/faults.ts";
import { FakeMachine } from "../fakes/fake_machine.ts";
import { withDaemon } from "../fakes/with_daemon.ts";

const ID = "operator_id";
const MARKER = "registration_mark";
/** The files of a registered machine in the order in which they are removed. */
const IDENTITY = [
  "tls.pending",
  "tls.key",
  "tls.crt",
  "ingress_endpoint.json",
  "ingress_ca.pem",
  "endpoints.json",
  MARKER,
  ID,
];
const NO_LOCAL_FILES = {};

/** A machine whose daemon registered and was stopped, with every file that an identity can have. */
class RegisteredMachine implements AsyncDisposable {
  readonly machine: FakeMachine;

  constructor(machine: FakeMachine) {
    this.machine = machine;
  }

  static async create(): Promise<RegisteredMachine> {
    const machine = await FakeMachine.create();
    await withDaemon(machine, () => {});
    const created = new RegisteredMachine(machine);
    const { mark } = JSON.parse(machine.cloud.operators()[0]!.metadata);
    await created.write(MARKER, mark);
    await created.write("tls.pending", "half a renewal");
    await created.write("ingress_ca.pem", machine.cloud.caPem);
    machine.log.length = 0;
    return created;
  }

  write(name: string, text: string): Promise<void> {
    return Deno.writeTextFile(`${this.machine.etc}/${name}`, text, { mode: 0o600 });
  }

  remove(name: string): Promise<void> {
    return Deno.remove(`${this.machine.etc}/${name}`);
  }

  /** Runs `ngrokd deregister` and asserts that it fails with this error and removes no file. */
  async assertKeepsAll(expected: RegExp, what?: string): Promise<void> {
    const { machine } = this;
    const before = await this.identity();
    machine.err.length = 0;
    assert.equal(await machine.run("deregister"), 1, what);
    assert.match(machine.err.join(""), expected, what);
    assert.match(machine.err.join(""), /run ngrokd deregister --config \S+ again\n$/, what);
    assert.deepEqual(await this.identity(), before, what);
  }

  /** Runs `ngrokd deregister`, asserts that nothing is left, and returns its output. */
  async assertRemovesAll(): Promise<string> {
    const { machine } = this;
    machine.log.length = 0;
    assert.equal(await machine.run("deregister"), 0, machine.err.join(""));
    assert.deepEqual([this.operators(), await this.identity()], [[], NO_LOCAL_FILES]);
    return machine.logText;
  }

  /** The files of the identity, by name. */
  async identity(): Promise<Record<string, string>> {
    const files: Record<string, string> = {};
    for await (const { name } of Deno.readDir(this.machine.etc)) {
      if (!IDENTITY.includes(name) && !/^tls\.|\.bad$/.test(name)) continue;
      files[name] = await Deno.readTextFile(`${this.machine.etc}/${name}`);
    }
    return files;
  }

  /** The ids of the operators that are not deleted. */
  operators(): string[] {
    return this.machine.cloud.operators().filter(({ deleted }) => !deleted).map(({ id }) => id);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.machine[Symbol.asyncDispose]();
  }
}

Deno.test("deregister removes the operator and the identity, names each, and can be repeated", async () => {
  await using registered = await RegisteredMachine.create();
  const { machine } = registered;
  assert.deepEqual(Object.keys(await registered.identity()).sort(), IDENTITY.toSorted());
  const setAside = ["tls.key", "tls.crt", ...Object.values(STATE_FILES)].map((name) => `${name}.bad`);
  for (const name of ["tls.csr", "tls.key.ngrokd.tmp", ...setAside]) await registered.write(name, "left");
  const [id] = registered.operators();
  const removed = ["tls.pending", "tls.csr", "tls.key", "tls.crt", ...setAside, ...IDENTITY.slice(3)];
  assert.equal(
    await registered.assertRemovesAll(),
    [
      `Removed the operator ${id} from the ngrok account\n`,
      ...["tls.key.ngrokd.tmp", ...removed].map((name) => `Removed ${machine.etc}/${name}\n`),
    ].join(""),
  );
  assert.equal(
    await registered.assertRemovesAll(),
    `Nothing to deregister: ${machine.etc} holds no operator id\n`,
  );
  await assert.rejects(Deno.stat(machine.socketPath), Deno.errors.NotFound);
});

const OPERATOR_ROUTES = ["operators.get", "operators.delete"] as const;
const FAULTS: readonly {
  fault: Fault;
  routes: readonly (Fault["route"])[];
  expected: RegExp;
}[] = [
  {
    fault: { kind: "error", status: 401 },
    routes: OPERATOR_ROUTES,
    expected: /answered 401.*\nNothing.*api\.key or NGROK_API_KEY/,
  },
  {
    fault: { kind: "error", status: 403 },
    routes: OPERATOR_ROUTES,
    expected: /answered 403.*\nNothing.*api\.key or NGROK_API_KEY/,
  },
  {
    fault: { kind: "error", status: 404, code: "ERR_NGROK_227" },
    routes: OPERATOR_ROUTES,
    expected: /answered 404.*\nNothing.*dashboard/,
  },
  {
    fault: { kind: "error", status: 429 },
    routes: OPERATOR_ROUTES,
    expected: /answered 429.*\nNothing.*Wait a minute/,
  },
  {
    fault: { kind: "error", status: 500 },
    routes: OPERATOR_ROUTES,
    expected: /answered 500.*\nNothing.*status\.ngrok\.com/,
  },
  {
    fault: { kind: "html", status: 404 },
    routes: [undefined],
    expected: /answered 404.*\nNothing.*api\.url leads to the ngrok API/,
  },
  {
    fault: { kind: "reset" },
    routes: [undefined],
    expected: /Cannot .*\nNothing.*network and api\.url/,
  },
  {
    fault: { kind: "redirect", location: "https://other.example/" },
    routes: [undefined],
    expected: /redirects.*\nNothing.*api\.url/,
  },
  // A portal answers 200 to everything, also to the removal.
  {
    fault: { kind: "html", status: 200 },
    routes: [undefined],
    expected: /not JSON.*\nNothing.*api\.url/,
  },
];

Deno.test("deregister keeps everything and says what to do unless the cloud confirms the removal", async () => {
  await using registered = await RegisteredMachine.create();
  const { machine } = registered;
  const { cloud } = machine;
  const [id] = registered.operators();
  async function assertKept(what: string, expected: RegExp): Promise<void> {
    await registered.assertKeepsAll(expected, what);
    assert.match(machine.err.join(""), /Nothing was removed here\./, what);
    assert.deepEqual(registered.operators(), [id], what);
  }
  for (const { fault, routes, expected } of FAULTS) {
    for (const route of routes) {
      cloud.faults.set(route === undefined ? fault : { ...fault, route });
      await assertKept(`${route} ${JSON.stringify(fault)}`, expected);
      cloud.faults.clear();
    }
  }
  await machine.editConfig(cloud.apiKey, "");
  await assertKept("no key", /no API key is set\nNothing.*api\.key or NGROK_API_KEY/);
  await machine.editConfig('key: ""', `key: "${cloud.apiKey}"`);
  // The API answers 404 to a wrong path too, which was taken for success.
  await machine.editConfig(cloud.apiUrl, `${cloud.apiUrl}/v2`);
  await assertKept("a wrong path in api.url", /answered 404[^]*api\.url/);
  await machine.editConfig(`${cloud.apiUrl}/v2`, cloud.apiUrl);
  await cloud.closeApi();
  await assertKept("no API", /Cannot reach .*\nNothing.*network and api\.url/);
  await cloud.openApi();
  await registered.assertRemovesAll();
});

// Both were taken for success.
for (const fault of [{ kind: "html", status: 404 }, { kind: "reset" }] as const) {
  Deno.test(`deregister keeps everything if the answer to the removal is ${fault.kind}`, async () => {
    await using registered = await RegisteredMachine.create();
    registered.machine.cloud.faults.set({ ...fault, route: "operators.delete", times: 1 });
    await registered.assertKeepsAll(/Cannot /);
    await registered.assertRemovesAll();
  });
}

Deno.test("deregister goes on if the operator is gone already, as after a run that was killed", async () => {
  await using registered = await RegisteredMachine.create();
  const [id] = registered.operators();
  registered.machine.cloud.deleteOperator(id!);
  await registered.remove("tls.key");
  const output = await registered.assertRemovesAll();
  const expected = `The operator ${id} is not in the ngrok account of this API key; ` +
    "if it is another account's, delete it there\n";
  assert.ok(output.startsWith(expected), output);
});

for (const last of [ID, MARKER]) {
  Deno.test(`deregister that fails before any removal keeps ${last}, and the next run finishes`, async () => {
    const { files } = realSystem();
    let isComplete = false;
    for (let removals = 0; !isComplete; removals++) {
      await using registered = await RegisteredMachine.create();
      const { machine } = registered;
      if (last === MARKER) await registered.remove(ID);
      const before = Object.keys(await registered.identity()).length;
      let left = removals;
      const removeFile = (path: string) =>
        left-- > 0
          ? files.removeFile(path)
          : Promise.reject(new FileError(`Cannot remove ${path}: planted`, { path, reason: "other" }));
      machine.override({ files: { ...files, removeFile } });
      isComplete = await machine.run("deregister") === 0;
      machine.override({ files });
      assert.equal(isComplete, removals === before, machine.err.join(""));
      assert.deepEqual(registered.operators(), []);
      const kept = await registered.identity();
      assert.equal(Object.keys(kept).length, before - removals);
      if (!isComplete) assert.ok(last in kept, `${last} after ${removals} removals`);
      assert.match(
        await registered.assertRemovesAll(),
        isComplete ? /^Nothing to deregister/ : /(?:not|no operator) in the ngrok account/,
      );
    }
  });
}

for (const exists of [true, false]) {
  const what = exists ? "an operator" : "no operator";
  Deno.test(`deregister asks the cloud about an interrupted registration that made ${what}`, async () => {
    await using registered = await RegisteredMachine.create();
    const { cloud } = registered.machine;
    const [id] = registered.operators();
    await registered.remove(ID);
    if (!exists) cloud.deleteOperator(id!);
    cloud.faults.set({ kind: "error", status: 503, route: "operators.list", times: 1 });
    await registered.assertKeepsAll(/answered 503/);
    assert.match(
      await registered.assertRemovesAll(),
      exists
        ? new RegExp(`^Removed the operator ${id} from`)
        : /^The interrupted registration has no operator in/,
    );
  });
}

Deno.test("deregister removes all but a directory that was set aside, and names it", async () => {
  await using registered = await RegisteredMachine.create();
  const { machine } = registered;
  await Deno.mkdir(`${machine.etc}/tls.key.bad/full`, { recursive: true });
  assert.equal(await machine.run("deregister"), 1);
  assert.match(machine.err.join(""), /^Error: Cannot remove .*tls\.key\.bad: /);
  await Deno.remove(`${machine.etc}/tls.key.bad`, { recursive: true });
  assert.deepEqual([registered.operators(), await registered.identity()], [[], NO_LOCAL_FILES]);
});

Deno.test("deregister without id and marker removes the other files without a request", async () => {
  await using registered = await RegisteredMachine.create();
  const { cloud } = registered.machine;
  for (const name of [ID, MARKER]) await registered.remove(name);
  for (const id of registered.operators()) cloud.deleteOperator(id);
  await cloud.closeApi();
  const output = await registered.assertRemovesAll();
  assert.match(output, /^Nothing to deregister: .*\nRemoved .*tls\.pending\n/);
});

Deno.test("deregister keeps everything if operator_id holds no id", async () => {
  await using registered = await RegisteredMachine.create();
  await registered.write(ID, "../k8sop_1");
  await registered.assertKeepsAll(/holds no operator id\nDelete the operator in the ngrok dashboard/);
});

Deno.test("deregister refuses while a daemon runs, and says to stop it first", async () => {
  await using registered = await RegisteredMachine.create();
  await withDaemon(registered.machine, async () => {
    await registered.assertKeepsAll(
      /^Error: Cannot bind .*another ngrokd is running.*\nStop the daemon first, then run ngrokd deregister --config \S+ again\n$/,
    );
    assert.equal(registered.operators().length, 1);
  });
});

Deno.test({
  name: "deregister as root reads and removes nothing in a directory of another user",
  ignore: Deno.uid() !== 0,
  async fn() {
    await using registered = await RegisteredMachine.create();
    const { machine } = registered;
    const before = await registered.identity();
    // The configuration is elsewhere, so that only the state directory is refused.
    const config = `${machine.directory}/config.yml`;
    await Deno.rename(machine.configPath, config);
    await Deno.chown(machine.etc, 65534, 65534);
    assert.equal(await runDaemon(["deregister", "--config", config], machine.system), 1);
    assert.match(machine.err.join(""), /user 65534 owns the directory\nRun: chown -h 0 /);
    assert.deepEqual(await registered.identity(), before);
    assert.equal(machine.cloud.operators().length, 1);
  },
});
