import assert from "node:assert/strict";
import { rootTests } from "../root/test_root.ts";
import { assertLeadsHome, Holder, openStage, resolved, talk } from "./holder.ts";

const test = rootTests(import.meta.url, { etc: true });

test("no program can take a port beside the daemon, on its address or on 0.0.0.0", async () => {
  await using stage = await openStage();
  stage.startDaemon();
  await stage.until("the name resolves", async () => await resolved() !== "");
  for (const address of [await resolved(), "0.0.0.0"]) {
    await assert.rejects(Holder.open(address, 5432), /does not listen/, address);
  }
  // What another server of this machine meets, too (docs/configuration.md).
  assert.throws(() => Deno.listen({ hostname: "0.0.0.0", port: 5432 }), Deno.errors.AddrInUse);
  assert.equal(await talk(), "password\n");
});

test("who takes the leased address while the daemon restarts gets no connection by name", async () => {
  await using stage = await openStage();
  stage.startDaemon();
  await stage.until("the name resolves", async () => await resolved() !== "");
  const known = await resolved();
  assert.equal(await stage.stopDaemon(), 0);
  // The address does not exist now (IP_FREEBIND).
  await using holder = await Holder.open(known, 5432);
  stage.startDaemon();
  await assertLeadsHome(stage, holder);
  assert.notEqual(await resolved(), known);
  const [row] = await stage.askList();
  assert.deepEqual([row!.state, row!.reason], ["active", ""]);
});

test("who takes the target of a redirect while the daemon restarts gets no connection by name", async () => {
  await using server = await Holder.open("0.0.0.0", 5432);
  await using stage = await openStage();
  stage.startDaemon();
  await assertLeadsHome(stage, server);
  const known = await resolved();
  assert.equal(await stage.stopDaemon(), 0);
  await using holder = await Holder.open(known, 9080);
  stage.startDaemon();
  await assertLeadsHome(stage, server);
  assert.equal(holder.received, "");
  const [row] = await stage.askList();
  assert.deepEqual([row!.state, row!.listen_address], ["active", `${known}:9081`]);
});
