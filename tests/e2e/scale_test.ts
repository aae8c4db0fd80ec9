import assert from "node:assert/strict";
import { Stage } from "../../sim/stage.ts";
import { scale } from "../long/scale/scale.ts";

// 200 endpoints appear, 199 vanish and all return. `deno task scale` does it with 10,000.
Deno.test("endpoints keep their addresses, and a step writes the hosts file once, an idle poll never (F43)", async () => {
  const { steps, problems } = await scale(200, { cloud: { seed: 43 }, askForIdlePoll: true });
  assert.deepEqual(steps.map(({ pages, hostsWrites, moved }) => [pages, hostsWrites, moved]), [
    [2, 1, 0],
    [1, 1, 0],
    [2, 1, 0],
  ]);
  assert.deepEqual(problems, []);
});

Deno.test("a daemon with more endpoints than descriptors serves what it can and reports the rest (F43)", async () => {
  await using stage = await Stage.open({ cloud: { seed: 44 }, prelude: "ulimit -n 256" });
  const ids = Array.from(
    { length: 300 },
    (_, index) => stage.cloud.addEndpoint({ url: `tcp://e${index}.few:7000`, backend: "echo" }).id,
  );
  stage.startDaemon();
  const rows = await stage.settled(300);
  const failed = rows.filter(({ state }) => state === "failed");
  assert.ok(failed.length > 100 && failed.length < 250, `${failed.length} failed`);
  for (const { reason } of failed) assert.match(reason, /no file descriptor is left/);
  assert.equal((await stage.askStatus()).names.state, "ok");
  // With fewer endpoints all of them are served.
  for (const id of ids.slice(100)) stage.cloud.removeEndpoint(id);
  // The descriptors of closed listeners are free a moment after the first of these polls.
  await stage.until("all are active", async () => {
    await stage.ask("set-api-key", [stage.cloud.apiKey]);
    const now = await stage.askList();
    return now.length === 100 && now.every(({ state }) => state === "active");
  });
});
