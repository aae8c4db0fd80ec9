import assert from "node:assert/strict";
import { runDaemon } from "../../src/daemon/run.ts";
import { FileError } from "../../src/model/errors.ts";
import { realSystem } from "../../src/system/system.ts";
import { fakeMachine } from "./fake_machine.ts";
import { statusOf, withDaemon } from "./with_daemon.ts";

Deno.test("last_renewal is null for a first certificate, and says after a restart when it was renewed", async () => {
  await using machine = await fakeMachine("net: {subnet: 127.127.0.0/16}");
  const last = async () => (await statusOf(machine)).certificate!.last_renewal;
  await withDaemon(machine, async () => assert.equal(await last(), null));
  let renewed: string | null = null;
  const before = new Date().toISOString();
  await withDaemon(machine, async () => {
    assert.equal(await last(), null, "a restart is no renewal");
    assert.equal((await machine.ask("refresh-cert", ["--force"])).success, true);
    renewed = await last();
    assert.ok(renewed! >= before && renewed! <= new Date().toISOString(), renewed!);
  });
  await withDaemon(machine, async () => {
    assert.equal(await last(), renewed);
    const health = (await machine.ask("health")).data as { certificate: { last_renewal: string } };
    assert.equal(health.certificate.last_renewal, renewed);
  });
  // Of another certificate it says nothing, and garbage is survived.
  const path = `${machine.directory}/state/last_renewal.json`;
  const note = JSON.parse(await Deno.readTextFile(path));
  for (
    const text of [JSON.stringify({ ...note, serial: "00" }), "{", JSON.stringify({ ...note, at: "then" })]
  ) {
    await Deno.writeTextFile(path, text);
    await withDaemon(machine, async () => assert.equal(await last(), null, text));
  }
  assert.equal(await runDaemon(["deregister", "--config", machine.configPath], machine.system), 0);
  await assert.rejects(Deno.stat(path), Deno.errors.NotFound);
});

Deno.test("a renewal that cannot be noted is a renewal", async () => {
  const { files } = realSystem();
  await using machine = await fakeMachine("net: {subnet: 127.127.0.0/16}", {
    files: {
      ...files,
      writeFileAtomic: (path, text, options) =>
        path.endsWith("last_renewal.json")
          ? Promise.reject(new FileError(`Cannot write ${path}: no`, { path, reason: "other" }))
          : files.writeFileAtomic(path, text, options),
    },
  });
  await withDaemon(machine, async () => {
    assert.equal((await machine.ask("refresh-cert", ["--force"])).success, true);
    const { last_renewal, error } = (await statusOf(machine)).certificate!;
    assert.deepEqual([typeof last_renewal, error], ["string", null]);
    assert.ok(machine.out.some((line) => line.includes("Cannot keep when the cert was renewed")));
  });
});
