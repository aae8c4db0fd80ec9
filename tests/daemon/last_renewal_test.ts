import assert from "node:assert/strict";
import type { HealthReport } from "../../src/model/report.ts";
import { FileError } from "../../src/model/errors.ts";
import { realSystem } from "../../src/system/system.ts";
import { FakeMachine } from "../fakes/fake_machine.ts";
import { withDaemon } from "../fakes/with_daemon.ts";

Deno.test("last_renewal is null before a renewal, and keeps its time over restarts", async () => {
  await using machine = await FakeMachine.create();
  const lastRenewal = async () => (await machine.askStatus()).certificate!.last_renewal;
  await withDaemon(machine, async () => assert.equal(await lastRenewal(), null));
  let renewedAt: string | null = null;
  const before = new Date().toISOString();
  await withDaemon(machine, async () => {
    assert.equal(await lastRenewal(), null, "a restart is not a renewal");
    assert.equal((await machine.request("refresh-cert", ["--force"])).success, true);
    renewedAt = await lastRenewal();
    assert.ok(renewedAt! >= before && renewedAt! <= new Date().toISOString(), renewedAt!);
  });
  await withDaemon(machine, async () => {
    assert.equal(await lastRenewal(), renewedAt);
    const health = await machine.ask("health") as HealthReport;
    assert.equal(health.certificate!.last_renewal, renewedAt);
  });
  // A file about another certificate, and a damaged one, are ignored.
  const path = `${machine.etc}/last_renewal.json`;
  const saved = JSON.parse(await Deno.readTextFile(path));
  for (
    const text of [JSON.stringify({ ...saved, serial: "00" }), "{", JSON.stringify({ ...saved, at: "then" })]
  ) {
    await Deno.writeTextFile(path, text);
    await withDaemon(machine, async () => assert.equal(await lastRenewal(), null, text));
  }
  assert.equal(await machine.run("deregister"), 0);
  await assert.rejects(Deno.stat(path), Deno.errors.NotFound);
});

Deno.test("A renewal succeeds although its time cannot be saved", async () => {
  const { files } = realSystem();
  await using machine = await FakeMachine.create();
  machine.override({
    files: {
      ...files,
      writeFileAtomic: (path, text, options) =>
        path.endsWith("last_renewal.json")
          ? Promise.reject(new FileError(`Cannot write ${path}: no`, { path, reason: "other" }))
          : files.writeFileAtomic(path, text, options),
    },
  });
  await withDaemon(machine, async () => {
    assert.equal((await machine.request("refresh-cert", ["--force"])).success, true);
    const { last_renewal, error } = (await machine.askStatus()).certificate!;
    assert.deepEqual([typeof last_renewal, error], ["string", null]);
    assert.match(machine.logText, /Cannot save when the cert was renewed/);
  });
});
