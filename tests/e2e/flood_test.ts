import assert from "node:assert/strict";
import { flood } from "../long/flood.ts";

Deno.test("silent, garbage and dripping clients on shared listeners and 53/tcp starve nobody, are gone in 6 s and leave nothing behind (F65)", async () => {
  const { problems, requests } = await flood({ silent: 200, garbage: 50, dripping: 50 });
  assert.deepEqual(problems, []);
  assert.ok(requests > 20);
});
