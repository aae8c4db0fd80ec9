import assert from "node:assert/strict";
import { soak } from "../long/soak.ts";

Deno.test("a short soak carries every byte and leaves nothing behind", async () => {
  const { problems } = await soak({
    connections: 150,
    resets: 30,
    bytesEachWay: 4 * 1024 * 1024,
    singleBytes: 1024,
    pingPongs: 200,
  });
  assert.deepEqual(problems, []);
});
