import assert from "node:assert/strict";
import { flood } from "../long/flood.ts";

Deno.test("a flood on shared listeners and 53/tcp starves nobody, and is gone in 6 s (F65)", async () => {
  const { problems, requests } = await flood({ silent: 200, garbage: 50, dripping: 50 });
  assert.deepEqual(problems, []);
  assert.ok(requests > 20);
});
