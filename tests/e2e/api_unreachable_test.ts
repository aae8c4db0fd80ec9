import assert from "node:assert/strict";
import { Stage } from "../../sim/stage.ts";
import { presentChain } from "../fakes/chain_server.ts";
import { makeCert } from "../fakes/test_ca.ts";

/** `deno run` asks for newer versions of itself. */
const NO_UPDATE_CHECK = { DENO_NO_UPDATE_CHECK: "1" };

Deno.test("the shipped daemon keeps and serves all while its https API shows a certificate of another name, another CA or an old one, names the cause, and sends it nothing (F35)", async () => {
  const ca = await makeCert({ subject: "CN=Trusted CA", isCa: true });
  const stranger = await makeCert({ subject: "CN=Trusted CA", isCa: true });
  const names = ["localhost"];
  const attacks = [
    [
      await makeCert({ subject: "CN=a", issuer: ca, names: ["other.example"] }),
      /not valid for name|NotValidForName/,
    ],
    [
      await makeCert({ subject: "CN=b", issuer: stranger, names }),
      /BadSignature|UnknownIssuer/,
    ],
    [await makeCert({ subject: "CN=c", issuer: ca, names, fromHours: -2, untilHours: -1 }), /expired/i],
  ] as const;
  const environment: Record<string, string> = { ...NO_UPDATE_CHECK };
  await using stage = await Stage.open({
    cloud: { apiTls: true },
    environment,
    sections: "net:\n  subnet: 127.164.0.0/16\nbound_endpoints:\n  poll_interval: 1",
  });
  const { cloud, configPath } = stage;
  await Deno.writeTextFile(`${stage.etc}/roots.pem`, cloud.caPem + ca.pem);
  environment["DENO_CERT"] = `${stage.etc}/roots.pem`;
  cloud.addEndpoint({ url: "tcp://db.myapp:8391", backend: "echo" });
  stage.startDaemon();
  const [row] = await stage.settled(1);
  const hosts = await Deno.readTextFile(stage.hostsPath);
  const config = await Deno.readTextFile(configPath);
  const [hostname, port] = row!.listen_address.split(":");
  async function stays(): Promise<void> {
    const rows = await stage.askList();
    assert.deepEqual(rows.map(({ state, listen_address }) => [state, listen_address]), [
      ["active", row!.listen_address],
    ]);
    assert.equal(await Deno.readTextFile(stage.hostsPath), hosts);
    using conn = await Deno.connect({ hostname: hostname!, port: Number(port) });
    await conn.write(new TextEncoder().encode("ping"));
    const answer = new Uint8Array(8);
    assert.equal(new TextDecoder().decode(answer.subarray(0, await conn.read(answer) ?? 0)), "ping");
  }
  for (const [certificate, says] of attacks) {
    await using server = await presentChain([certificate]);
    const url = `https://localhost:${server.port}`;
    await Deno.writeTextFile(configPath, config.replace(cloud.apiUrl, url));
    Deno.kill(stage.pid, "SIGHUP");
    await stage.until(
      `the error of ${url}`,
      async () => (await stage.askStatus()).api.error?.includes(url) ?? false,
    );
    const { error, state } = (await stage.askStatus()).api;
    assert.equal(state, "unreachable");
    assert.match(error!, says);
    await stays();
    assert.ok(server.connections() > 0);
    assert.equal(server.received(), 0);
  }
  await Deno.writeTextFile(configPath, config);
  Deno.kill(stage.pid, "SIGHUP");
  await stage.until("the API is well", async () => (await stage.askStatus()).api.state === "ok");
  await stays();
});
