import assert from "node:assert/strict";
import { Stage } from "../../sim/stage.ts";
import { exchange, get } from "../e2e/client.ts";
import { Neighbour } from "../root/neighbour.ts";
import { rootTests } from "../root/test_root.ts";
import { startCrowd } from "./start_crowd.ts";

/** More than all slots. */
const COUNT = 2100;
const MAX_MS = 2_000;

const lanTest = rootTests(import.meta.url);

/** Starts a daemon whose endpoints listen on this address. */
async function startStage(listenOn?: string): Promise<{ stage: Stage; hostname: string }> {
  const stage = await Stage.open({
    net: (network) => `listen_interface: ${listenOn ?? network.address("0.1")}`,
  });
  stage.cloud.addEndpoint({ url: "tcp://crowded.test:7000", backend: "echo" });
  stage.cloud.addEndpoint({ url: "tcp://quiet.test:7001", backend: "echo" });
  stage.cloud.addEndpoint({ url: "http://web.test:7002", backend: "http" });
  stage.startDaemon();
  await stage.active(3);
  return { stage, hostname: listenOn ?? stage.network.address("0.1") };
}

/** Demands that clients of both other endpoints are served soon, and then one of the crowded. */
async function assertServed(hostname: string): Promise<void> {
  const start = performance.now();
  await Promise.all([
    exchange(`${hostname}:7001`, "quiet").then((reply) => assert.equal(reply.length, 5)),
    get(`${hostname}:7002`, "web.test:7002").then(({ status, text }) => assert.equal(status, 200, text)),
  ]);
  const ms = performance.now() - start;
  assert.ok(ms < MAX_MS, `${ms.toFixed(0)} ms`);
  assert.equal((await exchange(`${hostname}:7000`, "crowded")).length, 7);
}

// Each client got 502, or a close, after 10 s.
Deno.test("2,100 idle connections of a local program leave slots for all endpoints (R74)", async () => {
  const { stage, hostname } = await startStage();
  await using _stage = stage;
  await using _crowd = await startCrowd({ hostname, port: 7000, count: COUNT, kind: "idle" });
  await assertServed(hostname);
  assert.equal(stage.log.filter((line) => line.includes("closing the longest idle ones")).length, 1);
});

// Each address of the LAN had a share of its own, so two of them held all slots.
lanTest("two LAN addresses with 2,100 idle connections leave slots for others (R74)", async () => {
  await using neighbour = await Neighbour.open();
  const { lan } = neighbour;
  await neighbour.succeeds(["/sbin/ip", "address", "add", lan.cidr(3), "dev", lan.peer]);
  const { stage, hostname } = await startStage(lan.address(1));
  await using _stage = stage;
  const crowd = {
    hostname,
    port: 7000,
    count: COUNT,
    kind: "idle",
    from: [lan.address(2), lan.address(3)],
  } as const;
  await using _crowd = await startCrowd(crowd, neighbour.enter);
  await assertServed(hostname);
  const warnings = stage.log.filter((line) => line.includes("closing the longest idle ones"));
  assert.equal(warnings.length, 1, warnings.join("\n"));
});
