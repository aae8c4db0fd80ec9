import assert from "node:assert/strict";
import { Stage } from "../../sim/stage.ts";
import { presentChain } from "../fakes/chain_server.ts";
import { text } from "../fakes/memory_stream.ts";
import { makeCert } from "../fakes/test_ca.ts";
import { exchange } from "./client.ts";

Deno.test("ngrokd sends nothing to an API with a bad certificate, names the cause and keeps serving (F35)", async () => {
  const ca = await makeCert({ subject: "CN=Trusted CA", isCa: true });
  const stranger = await makeCert({ subject: "CN=Trusted CA", isCa: true });
  const names = ["localhost"];
  const attacks = [
    [
      await makeCert({ subject: "CN=a", issuer: ca, names: ["other.example"] }),
      /not valid for name|NotValidForName/,
    ],
    [await makeCert({ subject: "CN=b", issuer: stranger, names }), /BadSignature|UnknownIssuer/],
    [await makeCert({ subject: "CN=c", issuer: ca, names, fromHours: -2, untilHours: -1 }), /expired/i],
  ] as const;
  // Without this variable `deno run` looks for updates of itself.
  const environment: Record<string, string> = { DENO_NO_UPDATE_CHECK: "1" };
  await using stage = await Stage.open({ cloud: { apiTls: true }, environment, pollSeconds: 1 });
  const { cloud, configPath } = stage;
  environment["DENO_CERT"] = `${stage.etc}/roots.pem`;
  await Deno.writeTextFile(environment["DENO_CERT"], cloud.caPem + ca.pem);
  cloud.addEndpoint({ url: "tcp://db.myapp:8391", backend: "echo" });
  stage.startDaemon();
  const [row] = await stage.settled(1);
  const hosts = await Deno.readTextFile(stage.hostsPath);
  const config = await Deno.readTextFile(configPath);
  async function assertServes(): Promise<void> {
    const rows = await stage.askList();
    assert.deepEqual(rows.map(({ state, listen_address }) => [state, listen_address]), [
      ["active", row!.listen_address],
    ]);
    assert.equal(await Deno.readTextFile(stage.hostsPath), hosts);
    assert.equal(text(await exchange(row!.listen_address, "ping")), "ping");
  }
  async function reload(next: string): Promise<void> {
    await Deno.writeTextFile(configPath, next);
    Deno.kill(stage.pid, "SIGHUP");
  }
  for (const [certificate, cause] of attacks) {
    await using server = await presentChain([certificate]);
    const url = `https://localhost:${server.port}`;
    await reload(config.replace(cloud.apiUrl, url));
    await stage.until(
      `the error of ${url}`,
      async () => (await stage.askStatus()).api.error?.includes(url) ?? false,
    );
    const { error, state } = (await stage.askStatus()).api;
    assert.equal(state, "unreachable");
    assert.match(error!, cause);
    await assertServes();
    assert.ok(server.connections() > 0);
    assert.equal(server.received(), 0);
  }
  await reload(config);
  await stage.until("the API answers", async () => (await stage.askStatus()).api.state === "ok");
  await assertServes();
});
