import assert from "node:assert/strict";
import { SimulatedCloud } from "../../sim/cloud/cloud.ts";
import { emptyFifths, LIVES, runRenewal } from "./renewal_runs.ts";

/** `deno task renewals` does a hundred of each. Long lives take seconds of real time. */
const RUNS: Readonly<Record<string, number>> = { "90 d": 1, "7 d": 2, "24 h": 5, "1 h": 10, "10 min": 10 };

for (const down of [false, true]) {
  const when = down
    ? "before the end though the API is down for half the window"
    : "in the first tenth of the window";
  Deno.test(`Renewals of real accounts come once, ${when}, for lives from 90 d to 10 min`, async () => {
    await using cloud = await SimulatedCloud.start({ now: () => Date.now() });
    for (const [name, lifeMs] of LIVES) {
      if (down && name === "90 d") continue;
      for (let seed = 1; seed <= RUNS[name]!; seed++) {
        const { problems } = await runRenewal(cloud, { lifeMs, seed, down, daemons: 1 });
        assert.deepEqual(problems, [], `${name}, seed ${seed}`);
      }
    }
  });
}

Deno.test("Renewals of a fleet are spread over the first tenth of the window", async () => {
  await using cloud = await SimulatedCloud.start({ now: () => Date.now() });
  const { problems, starts } = await runRenewal(cloud, {
    lifeMs: 600_000,
    seed: 1,
    down: false,
    daemons: 30,
  });
  assert.deepEqual([problems, emptyFifths(starts)], [[], []], starts.join(" "));
});
