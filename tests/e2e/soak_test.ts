import assert from "node:assert/strict";
import { soak } from "../long/soak.ts";

Deno.test("short connections, resets, bulk both ways, single bytes and ping-pongs are exact and leave nothing behind", async () => {
  const { problems } = await soak({
    connections: 150,
    resets: 30,
    bytesEachWay: 4 * 1024 * 1024,
    singleBytes: 1024,
    pingPongs: 200,
  });
  assert.deepEqual(problems, []);
});
