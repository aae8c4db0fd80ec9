import assert from "node:assert/strict";
import { Health } from "../../src/web/health_listener.ts";
import { BindError, type BindFailure } from "../../src/model/errors.ts";

Deno.test("Health tells to stop another program only if there is one (it did so for a port below 1024 too)", async () => {
  for (const [reason, blamed] of [["in_use", true], ["denied", false]] as [BindFailure, boolean][]) {
    const health = new Health(
      () => {
        throw new BindError("Cannot bind 127.0.0.1:81: no", { address: "127.0.0.1:81", reason });
      },
      () => assert.fail("nothing is served"),
    );
    await health.listen({ address: "127.0.0.1", port: 81 });
    assert.equal(health.report.error!.includes("Stop the program"), blamed);
    assert.match(health.report.error!, /server\.health_port/);
  }
});
