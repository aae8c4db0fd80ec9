import assert from "node:assert/strict";
import { Stage } from "../../sim/stage.ts";
import { succeedsAs } from "../fakes/run_as.ts";
import { NEEDS_ROOT, ROOT_REASON } from "../root/needs_root.ts";

const ATTACKER = { uid: 65534 };

/** An API of the attacker, which counts the requests. */
function hostileApi(): AsyncDisposable & { readonly url: string; readonly requests: string[] } {
  const requests: string[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    requests.push(request.headers.get("authorization") ?? "none");
    return new Response("{}");
  });
  const url = `http://127.0.0.1:${server.addr.port}`;
  return { url, requests, [Symbol.asyncDispose]: () => server.shutdown() };
}

/** Writes the attacker's API into the configuration, as the attacker. */
function pointAt(url: string, stage: Stage): Promise<boolean> {
  const { configPath, cloud } = stage;
  const edit =
    `text=$(sed 's|${cloud.apiUrl}|${url}|' ${configPath}); printf '%s\\n' "$text" > ${configPath}`;
  return succeedsAs(ATTACKER, edit);
}

// The configuration was accepted whatever its mode and owner, and the attacker got the API key.
Deno.test({
  name: `who can change the configuration gets no API key, at the start and at a reload${ROOT_REASON}`,
  ignore: NEEDS_ROOT,
  async fn() {
    await using api = hostileApi();
    await using stage = await Stage.open({ pollSeconds: 1 });
    const { directory, etc, configPath } = stage;
    for (const path of [directory, etc]) await Deno.chmod(path, 0o755);
    stage.cloud.addEndpoint({ url: "http://api.myapp:8181", backend: "http" });

    assert.equal(await pointAt(api.url, stage), false, "a configuration of mode 0600 protects itself");
    stage.startDaemon();
    await stage.active(1);
    await Deno.chmod(configPath, 0o666);
    const good = await Deno.readTextFile(configPath);
    assert.equal(await pointAt(api.url, stage), true);
    await stage.until("the refusal", async () => (await stage.askStatus()).config.state === "rejected");
    assert.match((await stage.askStatus()).config.problems.join(), /mode is 0666.*chmod go-w/);
    assert.equal((await stage.askStatus()).active_count, 1);
    await Deno.writeTextFile(configPath, good);
    await stage.until(
      "the refusal of the mode alone",
      async () => (await stage.askStatus()).config.state === "rejected",
    );
    await Deno.chmod(configPath, 0o600);
    await stage.until("the reload after chmod", async () => (await stage.askStatus()).config.state === "ok");
    assert.equal(await stage.stopDaemon(), 0);

    for (const [mode, owner] of [[0o666, 0], [0o600, ATTACKER.uid]] as const) {
      await Deno.chmod(configPath, mode);
      await Deno.chown(configPath, owner, owner);
      stage.startDaemon();
      assert.equal(await stage.daemonEnded, 1);
      await stage.stopDaemon();
    }
    assert.deepEqual(api.requests, []);
    await Deno.writeTextFile(configPath, good);
    await Deno.chown(configPath, 0, 0);
    stage.startDaemon();
    await stage.active(1);
  },
});
