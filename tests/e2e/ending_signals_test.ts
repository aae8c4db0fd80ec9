import assert from "node:assert/strict";
import { Stage } from "../../sim/stage.ts";
import { ENDING_SIGNALS } from "../../src/system/signals.ts";

// Until 0.4.0 all but SIGINT and SIGTERM killed the daemon, and left names and socket behind.
Deno.test("every signal that asks a process to end makes the daemon stop in order", async () => {
  await using stage = await Stage.open();
  stage.cloud.addEndpoint({ url: "tcp://db.myapp:5432", backend: "echo" });
  for (const name of ENDING_SIGNALS) {
    if (Deno.build.os !== "linux" && ["SIGIO", "SIGPWR", "SIGSTKFLT"].includes(name)) continue;
    stage.startDaemon();
    await stage.active(1);
    await stage.until("the name is published", async () => /db\.myapp/.test(await hosts()));
    assert.equal(await stage.stopDaemon(name), 0, name);
    assert.equal(await hosts(), "127.0.0.1\tlocalhost\n", name);
    await assert.rejects(Deno.stat(stage.socketPath), Deno.errors.NotFound, name);
  }

  function hosts(): Promise<string> {
    return Deno.readTextFile(stage.hostsPath);
  }
});
