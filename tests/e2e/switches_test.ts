import assert from "node:assert/strict";
import { randomSwitches } from "../../sim/cloud/switches.ts";
import { checkEndpoints } from "../../sim/dev_check.ts";
import { addDevEndpoints } from "../../sim/dev_endpoints.ts";
import { Stage } from "../../sim/stage.ts";

for (const seed of [1, 2]) {
  Deno.test(`every endpoint works whatever the cloud does where docs/protocol.md guesses (seed ${seed})`, async () => {
    const switches = { ...randomSwitches(seed), wildcardKubernetes: true };
    await using stage = await Stage.open({ cloud: { seed, switches } });
    const endpoints = addDevEndpoints(stage.cloud);
    stage.startDaemon();
    await stage.settled(endpoints.length);
    const { problems } = await checkEndpoints(stage, endpoints);
    assert.deepEqual(problems, [], stage.log.slice(-10).join("\n"));
  });
}
