import assert from "node:assert/strict";
import { scale } from "../long/scale/scale.ts";
import { Stage } from "../../sim/stage.ts";

Deno.test("200 endpoints appear, 199 vanish and all return: same addresses, one write of the hosts file a step, none for an idle poll (F43)", async () => {
  const { steps, problems } = await scale(200, {
    cloud: { seed: 43 },
    sections: "net:\n  subnet: 127.113.0.0/16",
    askForIdlePoll: true,
  });
  assert.deepEqual(steps.map(({ pages, hostsWrites, moved }) => [pages, hostsWrites, moved]), [
    [2, 1, 0],
    [1, 1, 0],
    [2, 1, 0],
  ]);
  assert.deepEqual(problems, []);
});

Deno.test("a daemon with more endpoints than descriptors serves what it can, says why not the rest, answers commands, and serves all when there are fewer (F43)", async () => {
  await using stage = await Stage.open({
    cloud: { seed: 44 },
    sections: "net:\n  subnet: 127.114.0.0/16",
    prelude: "ulimit -n 256",
  });
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
  for (const id of ids.slice(100)) stage.cloud.removeEndpoint(id);
  // The descriptors of closed listeners are free a moment after the first of these polls has closed them.
  await stage.until("all are active", async () => {
    await stage.ask("set-api-key", [stage.cloud.apiKey]);
    const now = await stage.askList();
    return now.length === 100 && now.every(({ state }) => state === "active");
  });
});
