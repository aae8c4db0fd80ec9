import assert from "node:assert/strict";
import { runDaemon } from "../../src/daemon/run.ts";
import { FileError } from "../../src/model/errors.ts";
import { realSystem } from "../../src/system/system.ts";
import { type FakeMachine, fakeMachine } from "./fake_machine.ts";
import { withDaemon } from "./with_daemon.ts";

const IDENTITY = [
  "endpoints.json",
  "ingress_ca.pem",
  "ingress_endpoint.json",
  "operator_id",
  "registration_mark",
  "tls.crt",
  "tls.key",
  "tls.pending",
];

/** A machine whose daemon has registered and was stopped, with everything that an identity can consist of. */
async function registered(): Promise<FakeMachine> {
  const machine = await fakeMachine("net: {subnet: 127.125.0.0/16}");
  await withDaemon(machine, () => Promise.resolve());
  const state = `${machine.directory}/state`;
  const { mark } = JSON.parse(machine.cloud.operators()[0]!.metadata);
  await Deno.writeTextFile(`${state}/registration_mark`, mark);
  await Deno.writeTextFile(`${state}/tls.pending`, "half a renewal", { mode: 0o600 });
  await Deno.copyFile(`${machine.directory}/ca.pem`, `${state}/ingress_ca.pem`);
  machine.out.length = 0;
  return machine;
}

function deregister({ configPath, system }: FakeMachine): Promise<number> {
  return runDaemon(["deregister", "--config", configPath], system);
}

/** The identity's files that there are, with what they hold. */
async function identityOf({ directory }: FakeMachine): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for await (const entry of Deno.readDir(`${directory}/state`)) {
    if (
      !/^(?:operator_id|registration_mark|ingress_ca\.pem|ingress_endpoint\.json|endpoints\.json|tls\..*)$/
        .test(entry.name)
    ) {
      continue;
    }
    files[entry.name] = await Deno.readTextFile(`${directory}/state/${entry.name}`);
  }
  return files;
}

function livingOperators({ cloud }: FakeMachine): string[] {
  return cloud.operators().filter(({ deleted }) => !deleted).map(({ id }) => id);
}

Deno.test("deregister removes the operator in the cloud and the identity here, names each thing, and can be run again", async () => {
  await using machine = await registered();
  const state = `${machine.directory}/state`;
  for (const name of ["tls.csr", "tls.key.bad", "tls.key.ngrokd.tmp"]) {
    await Deno.writeTextFile(`${state}/${name}`, "left", { mode: 0o600 });
  }
  const [id] = livingOperators(machine);
  assert.equal(await deregister(machine), 0, machine.err.join(""));
  assert.deepEqual(livingOperators(machine), []);
  assert.deepEqual(await identityOf(machine), {});
  assert.equal(
    machine.out.join(""),
    [
      `Removed the operator ${id} from the ngrok account`,
      ...[
        "tls.pending",
        "tls.csr",
        "tls.key",
        "tls.key.bad",
        "tls.crt",
        "ingress_endpoint.json",
        "ingress_ca.pem",
        "endpoints.json",
      ]
        .map((name) => `Removed ${state}/${name}`),
      `Removed ${state}/registration_mark`,
      `Removed ${state}/operator_id\n`,
    ].join("\n"),
  );
  machine.out.length = 0;
  assert.equal(await deregister(machine), 0, machine.err.join(""));
  assert.equal(machine.out.join(""), `Nothing to deregister: ${state} holds no operator id\n`);
  await assert.rejects(Deno.stat(`${machine.directory}/run/ngrokd.sock`), Deno.errors.NotFound);
});

Deno.test("deregister keeps the whole identity where the cloud does not say that the operator is gone, and says what to do", async () => {
  await using machine = await registered();
  const { cloud } = machine;
  const before = await identityOf(machine);
  assert.deepEqual(Object.keys(before).sort(), IDENTITY);
  async function assertKept(what: string, expected: RegExp): Promise<void> {
    machine.err.length = 0;
    assert.equal(await deregister(machine), 1, what);
    assert.match(machine.err.join(""), expected, what);
    assert.match(machine.err.join(""), /Nothing was removed here\..*run ngrokd deregister again\n$/, what);
    assert.deepEqual(await identityOf(machine), before, what);
    assert.equal(livingOperators(machine).length, 1, what);
  }
  for (
    const [fault, expected] of [
      [{ kind: "error", status: 401 }, /answered 401.*\nNothing.*api\.key or NGROK_API_KEY/],
      [{ kind: "error", status: 403 }, /answered 403.*\nNothing.*api\.key or NGROK_API_KEY/],
      [{ kind: "error", status: 404, code: "ERR_NGROK_227" }, /answered 404.*\nNothing.*dashboard/],
      [{ kind: "error", status: 429 }, /answered 429.*\nNothing.*Wait a minute/],
      [{ kind: "error", status: 500 }, /answered 500.*\nNothing.*status\.ngrok\.com/],
    ] as const
  ) {
    for (const route of ["operators.get", "operators.delete"] as const) {
      cloud.faults.set({ ...fault, route, times: 1 });
      await assertKept(`${route} ${JSON.stringify(fault)}`, expected);
    }
  }
  for (
    const [fault, expected] of [
      [{ kind: "html", status: 404 }, /answered 404.*\nNothing.*api\.url leads to the ngrok API/],
      [{ kind: "redirect", location: "https://other.example/" }, /redirects.*\nNothing.*api\.url/],
      [{ kind: "reset" }, /Cannot .*\nNothing.*network and api\.url/],
    ] as const
  ) {
    cloud.faults.set({ ...fault, times: 1 });
    await assertKept(JSON.stringify(fault), expected);
  }
  // To the removal alone this would have been the end of it.
  cloud.faults.set({ kind: "html", status: 200 });
  await assertKept("a portal that answers 200 to everything", /not JSON.*\nNothing.*api\.url/);
  cloud.faults.clear();
  const config = await Deno.readTextFile(machine.configPath);
  await Deno.writeTextFile(machine.configPath, config.replace(`key: "${cloud.apiKey}"`, 'key: ""'));
  await assertKept("no key", /no API key is set\nNothing.*api\.key or NGROK_API_KEY/);
  await Deno.writeTextFile(machine.configPath, config);
  await cloud.closeApi();
  await assertKept("the API is down", /Cannot reach .*\nNothing.*network and api\.url/);
  await cloud.openApi();
  assert.equal(await deregister(machine), 0, machine.err.join(""));
  assert.deepEqual([livingOperators(machine), await identityOf(machine)], [[], {}]);
});

Deno.test("deregister keeps the identity where api.url is a little wrong, and the API's own 404 answers (that was taken for gone)", async () => {
  await using machine = await registered();
  const { cloud, configPath } = machine;
  const before = await identityOf(machine);
  const config = await Deno.readTextFile(configPath);
  await Deno.writeTextFile(configPath, config.replace(cloud.apiUrl, `${cloud.apiUrl}/v2`));
  assert.equal(await deregister(machine), 1);
  assert.match(machine.err.join(""), /answered 404[^]*Nothing was removed here[^]*api\.url/);
  assert.deepEqual(await identityOf(machine), before);
  await Deno.writeTextFile(configPath, config);
  assert.equal(await deregister(machine), 0, machine.err.join(""));
  assert.deepEqual(livingOperators(machine), []);
});

Deno.test("deregister keeps the identity where the answer to the removal is lost or a portal's 404 (that was taken for gone)", async () => {
  for (const fault of [{ kind: "html", status: 404 }, { kind: "reset" }] as const) {
    await using machine = await registered();
    const { cloud } = machine;
    const before = await identityOf(machine);
    cloud.faults.set({ ...fault, route: "operators.delete", times: 1 });
    assert.equal(await deregister(machine), 1);
    assert.deepEqual(await identityOf(machine), before);
    assert.equal(await deregister(machine), 0, machine.err.join(""));
    assert.deepEqual([livingOperators(machine), await identityOf(machine)], [[], {}]);
  }
});

Deno.test("deregister goes on where the operator is gone already, as after a run that was killed in between", async () => {
  await using machine = await registered();
  const { cloud, directory } = machine;
  const [id] = livingOperators(machine);
  cloud.deleteOperator(id!);
  await Deno.remove(`${directory}/state/tls.key`);
  assert.equal(await deregister(machine), 0, machine.err.join(""));
  assert.match(
    machine.out.join(""),
    new RegExp(
      `^The operator ${id} is not in the ngrok account of this API key; if it is another account's, delete it there\n`,
    ),
  );
  assert.deepEqual(await identityOf(machine), {});
});

Deno.test("deregister that ends before any of its removals keeps what names the operator, and the next run finishes it", async () => {
  const { files } = realSystem();
  for (const name of ["operator_id", "registration_mark"]) {
    let ends = false;
    for (let after = 0; !ends; after++) {
      await using machine = await registered();
      const state = `${machine.directory}/state`;
      if (name === "registration_mark") await Deno.remove(`${state}/operator_id`);
      const before = Object.keys(await identityOf(machine)).length;
      let left = after;
      const removeFile = (path: string) =>
        left-- > 0 ? files.removeFile(path) : Promise.reject(
          new FileError(`Cannot remove ${path}: it is cut off here`, { path, reason: "other" }),
        );
      const cut = { ...machine, system: { ...machine.system, files: { ...files, removeFile } } };
      ends = await deregister(cut) === 0;
      assert.equal(ends, after === before, machine.err.join(""));
      assert.deepEqual(livingOperators(machine), []);
      assert.equal(Object.keys(await identityOf(machine)).length, before - after);
      if (!ends) assert.ok((await Deno.stat(`${state}/${name}`)).isFile, `${name} after ${after} removals`);
      machine.out.length = 0;
      assert.equal(await deregister(machine), 0, machine.err.join(""));
      assert.deepEqual(await identityOf(machine), {});
      assert.match(
        machine.out.join(""),
        ends ? /^Nothing to deregister/ : /(?:not|no operator) in the ngrok account/,
      );
    }
  }
});

Deno.test("deregister finds the operator of a registration that was cut off by its mark, and needs the cloud to know", async () => {
  for (const isMade of [true, false]) {
    await using machine = await registered();
    const { cloud, directory } = machine;
    const [id] = livingOperators(machine);
    await Deno.remove(`${directory}/state/operator_id`);
    if (!isMade) cloud.deleteOperator(id!);
    cloud.faults.set({ kind: "error", status: 503, route: "operators.list", times: 1 });
    const before = await identityOf(machine);
    assert.equal(await deregister(machine), 1);
    assert.deepEqual(await identityOf(machine), before);
    assert.equal(await deregister(machine), 0, machine.err.join(""));
    assert.match(
      machine.out.join(""),
      isMade
        ? new RegExp(`^Removed the operator ${id} from`)
        : /^The interrupted registration has no operator in/,
    );
    assert.deepEqual([livingOperators(machine), await identityOf(machine)], [[], {}]);
  }
});

Deno.test("deregister without an id asks nothing of the cloud, and removes what is left of an identity", async () => {
  await using machine = await registered();
  const { cloud, directory } = machine;
  for (const name of ["operator_id", "registration_mark"]) await Deno.remove(`${directory}/state/${name}`);
  await cloud.closeApi();
  assert.equal(await deregister(machine), 0, machine.err.join(""));
  assert.match(machine.out.join(""), /^Nothing to deregister: .*\nRemoved .*tls\.pending\n/);
  assert.deepEqual(await identityOf(machine), {});
});

Deno.test("deregister keeps everything where operator_id holds no id, because nobody knows which operator it was", async () => {
  await using machine = await registered();
  const path = `${machine.directory}/state/operator_id`;
  await Deno.writeTextFile(path, "../k8sop_1");
  const before = await identityOf(machine);
  assert.equal(await deregister(machine), 1);
  assert.match(machine.err.join(""), /holds no operator id\nDelete the operator in the ngrok dashboard/);
  assert.deepEqual(await identityOf(machine), before);
});

Deno.test("deregister refuses while a daemon runs, and says to stop it first", async () => {
  await using machine = await registered();
  await withDaemon(machine, async () => {
    const before = await identityOf(machine);
    assert.equal(await deregister(machine), 1);
    assert.match(
      machine.err.join(""),
      /^Error: Cannot bind .*another ngrokd is running.*\nStop the daemon first, then run ngrokd deregister again\n$/,
    );
    assert.deepEqual(await identityOf(machine), before);
    assert.equal(livingOperators(machine).length, 1);
  });
});
