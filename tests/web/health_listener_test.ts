import assert from "node:assert/strict";
import { Health } from "../../src/web/health_listener.ts";
import { BindError, type BindFailure } from "../../src/model/errors.ts";
import { captureLog } from "../fakes/captured_log.ts";

// It told to stop another program for a port below 1024 too.
Deno.test("Health logs once that it cannot bind, and blames another program only if there is one", async () => {
  for (const [reason, isBlamed] of [["in_use", true], ["denied", false]] as [BindFailure, boolean][]) {
    await using logged = await captureLog();
    const health = new Health(
      () => {
        throw new BindError("Cannot bind 127.0.0.1:81: no", { address: "127.0.0.1:81", reason });
      },
      () => assert.fail("nothing is served"),
    );
    for (let attempt = 0; attempt < 2; attempt++) await health.listen({ address: "127.0.0.1", port: 81 });
    const { error } = health.report;
    assert.equal(error!.includes("Stop the program"), isBlamed);
    assert.match(error!, /server\.health_port/);
    assert.deepEqual(logged.lines("error"), [`Cannot start the health server: ${error}`]);
  }
});
