import assert from "node:assert/strict";
import { connect } from "node:net";
import { takeLoopbackNetwork } from "../../sim/loopback_network.ts";
import { Stage } from "../../sim/stage.ts";
import { withDeadline } from "../../src/system/clock.ts";
import { TcpClient } from "../dns/client.ts";
import { message } from "../dns/messages.ts";
import { get } from "../e2e/client.ts";

const RESETS = 2000;
const AT_ONCE = 100;
const HOST = "api.myapp:8181";

/** Connects to `address:port` and resets the connection at once. */
function connectAndReset(where: string): Promise<void> {
  const [host, port] = where.split(":");
  return new Promise((resolve) => {
    const socket = connect({ host: host!, port: Number(port) });
    socket.once("connect", () => socket.resetAndDestroy());
    // A reset can also be the answer, if the accept queue is full.
    socket.once("error", () => {});
    socket.once("close", () => resolve());
  });
}

// 100 clients that connected and reset made the next honest one wait 88 s.
Deno.test("an honest client behind 2,000 that connect and reset is served within 2 s", async () => {
  using network = takeLoopbackNetwork();
  const address = network.address("0.1");
  await using stage = await Stage.open({
    dns: `enabled: true\nlisten: ${address}:8053`,
    sections: `net:\n  subnet: ${network.cidr}\n  overrides:\n    shared.myapp: ${address}`,
  });
  stage.cloud.addEndpoint({ url: `http://${HOST}`, backend: "http" });
  stage.cloud.addEndpoint({ url: "http://shared.myapp:8181", backend: "http" });
  stage.startDaemon();
  const rows = await stage.active(2);
  const own = rows.find(({ url }) => url.includes(HOST))!.listen_address;
  const shared = rows.find(({ url }) => url.includes("shared"))!.listen_address;
  const listeners: readonly (readonly [name: string, address: string, ask: () => Promise<boolean>])[] = [
    ["an endpoint's own address", own, async () => (await get(own, HOST)).status === 200],
    ["a shared address", shared, async () => (await get(shared, "shared.myapp:8181")).status === 200],
    ["the DNS server", `${address}:8053`, () => asksDns(address)],
    ["the health server", `127.0.0.1:${stage.healthPort}`, async () => (await fetchHealth(stage)) === 200],
  ];
  for (const [name, where, ask] of listeners) {
    for (let sent = 0; sent < RESETS; sent += AT_ONCE) {
      await Promise.all(Array.from({ length: AT_ONCE }, () => connectAndReset(where)));
    }
    const isServed = withDeadline(ask(), {
      ms: 2000,
      onTimeout: () => new Error(`${name} did not answer within 2 s`),
    });
    assert.equal(await isServed, true, name);
  }
});

async function asksDns(address: string): Promise<boolean> {
  using client = await TcpClient.connect(8053, address);
  return (await client.exchange(message({ name: "api.myapp" }))) !== undefined;
}

async function fetchHealth(stage: Stage): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${stage.healthPort}/health`);
  await response.body?.cancel();
  return response.status;
}
