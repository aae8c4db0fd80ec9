import assert from "node:assert/strict";
import { flood } from "../long/flood.ts";

/** Other tests run beside this one; `deno task flood` has the limits of R25. */
const PATIENCE = 3;

Deno.test("a flood on shared listeners and 53/tcp starves nobody, and does not stay (F65)", async () => {
  const { problems, requests } = await flood({ silent: 200, garbage: 50, dripping: 50 }, PATIENCE);
  assert.deepEqual(problems, []);
  assert.ok(requests > 20);
});
