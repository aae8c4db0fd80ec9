import assert from "node:assert/strict";
import { Stage } from "../../sim/stage.ts";
import { dial } from "./client.ts";

const LIMIT_MS = 2_000;

for (const [offline, isSilent] of [["refuse connections", false], ["never answer", true]] as const) {
  Deno.test(`names and listeners are back within 2 s of a start if API and ingress ${offline} (R41)`, async () => {
    await using stage = await Stage.open();
    stage.cloud.addEndpoint({ url: "tcp://db.offline:7462", backend: "echo" });
    stage.startDaemon();
    const [before] = await stage.settled(1);
    assert.equal(await stage.stopDaemon(), 0);
    assert.ok(!(await Deno.readTextFile(stage.hostsPath)).includes("db.offline"), "the names are withdrawn");
    if (isSilent) {
      stage.cloud.faults.set({ kind: "never_answer" }, { kind: "ingress.stall" });
    } else {
      await stage.cloud.closeApi();
      await stage.cloud.closeIngress();
    }
    const startedAt = performance.now();
    stage.startDaemon();
    await stage.until(
      "the name is published",
      async () => (await Deno.readTextFile(stage.hostsPath)).includes("db.offline"),
    );
    (await dial(before!.listen_address)).close();
    const tookMs = performance.now() - startedAt;
    // A dial that stalls would delay a graceful shutdown by 10 s.
    await stage.stopDaemon("SIGKILL");
    assert.ok(tookMs <= LIMIT_MS, `it took ${Math.round(tookMs)} ms`);
  });
}
