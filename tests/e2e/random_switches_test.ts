import assert from "node:assert/strict";
import { checkStage } from "../../sim/dev_check.ts";
import { addDevEndpoints } from "../../sim/dev_endpoints.ts";
import { Stage } from "../../sim/stage.ts";
import { randomSwitches } from "../../sim/cloud/switches.ts";

for (const seed of [1, 2]) {
  Deno.test(`every endpoint is right whatever the cloud does where PROTOCOL.md guesses (seed ${seed})`, async () => {
    const switches = { ...randomSwitches(seed), wildcardKubernetes: true };
    await using stage = await Stage.open({
      cloud: { seed, switches },
      sections: `net:\n  subnet: 127.${120 + seed}.0.0/16`,
    });
    const endpoints = addDevEndpoints(stage.cloud);
    stage.startDaemon();
    await stage.settled(endpoints.length);
    const { problems } = await checkStage(stage, endpoints);
    assert.deepEqual(problems, [], stage.log.slice(-10).join("\n"));
  });
}
