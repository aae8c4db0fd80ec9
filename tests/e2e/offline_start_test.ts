import assert from "node:assert/strict";
import { Stage } from "../../sim/stage.ts";

const LIMIT_MS = 2_000;

for (
  const [name, isSilent] of [["refuse every connection", false], ["accept and never answer", true]] as const
) {
  Deno.test(`with an API and an ingress that ${name}, a start restores names and listeners within 2 s (R41)`, async () => {
    await using stage = await Stage.open({ sections: `net:\n  subnet: 127.${isSilent ? 163 : 162}.0.0/16` });
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
      "its name is published",
      async () => (await Deno.readTextFile(stage.hostsPath)).includes("db.offline"),
    );
    const [, hostname = "", port = ""] = /^(.*):(\d+)$/.exec(before!.listen_address) ?? [];
    (await Deno.connect({ hostname, port: Number(port) })).close();
    const tookMs = performance.now() - startedAt;
    // The dial that stalls would keep it from ending for 10 s.
    await stage.stopDaemon("SIGKILL");
    assert.ok(tookMs <= LIMIT_MS, `it took ${Math.round(tookMs)} ms`);
  });
}
