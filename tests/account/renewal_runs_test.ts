import assert from "node:assert/strict";
import { SimulatedCloud } from "../../sim/cloud/cloud.ts";
import { LIVES, runRenewal } from "./renewal_runs.ts";

/** `deno task renewals` does a hundred of each; the long lives take seconds, for the loop looks every five. */
const RUNS: Readonly<Record<string, number>> = { "90 d": 1, "7 d": 2, "24 h": 5, "1 h": 10, "10 min": 10 };

for (const down of [false, true]) {
  const when = down
    ? "in time though the API is down for half the window"
    : "in the first tenth of the window";
  Deno.test(`Renewals of real accounts come ${when}, for lives from 90 d to 10 min`, async () => {
    await using cloud = await SimulatedCloud.start({ now: () => Date.now() });
    for (const [name, lifeMs] of LIVES) {
      if (down && name === "90 d") continue;
      for (let seed = 1; seed <= RUNS[name]!; seed++) {
        assert.deepEqual(await runRenewal(cloud, { lifeMs, seed, down, daemons: 1 }), [], `${name}, ${seed}`);
      }
    }
  });

  Deno.test(`Two daemons that registered in one second never renew in one second, ${down ? "also after the API was down" : "in lives of 10 min"}`, async () => {
    await using cloud = await SimulatedCloud.start({ now: () => Date.now() });
    for (let seed = 1; seed <= (down ? 10 : 30); seed++) {
      const plan = { lifeMs: 600_000, seed, down, daemons: 2 };
      assert.deepEqual(await runRenewal(cloud, plan), [], `seed ${seed}`);
    }
  });
}
