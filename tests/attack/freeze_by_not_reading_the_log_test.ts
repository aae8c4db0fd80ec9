import assert from "node:assert/strict";
import { Stage } from "../../sim/stage.ts";
import { get } from "../e2e/client.ts";

const HOST = "api.myapp:8181";

// The daemon blocked in a write to standard output: no connection, no status, and only SIGKILL
// ended it.
Deno.test("a log that nobody reads freezes neither connections, status nor SIGTERM", async () => {
  await using stage = await Stage.open({ server: "log_level: debug" });
  stage.cloud.addEndpoint({ url: `http://${HOST}`, backend: "http" });
  const fifo = `${stage.directory}/unread`;
  stage.startDaemon({ prelude: `mkfifo '${fifo}' && exec 1<>'${fifo}'` });
  const [row] = await stage.active(1);
  // At some 150 bytes each, more than the pipe holds.
  for (let batch = 0; batch < 30; batch++) {
    await Promise.all(Array.from({ length: 20 }, () => get(row!.listen_address, HOST)));
  }
  assert.equal((await get(row!.listen_address, HOST)).status, 200);
  assert.equal((await stage.askStatus()).active_count, 1);
  const start = performance.now();
  assert.equal(await stage.stopDaemon(), 0);
  assert.ok(performance.now() - start < 10_000, "SIGTERM was delayed");
});
