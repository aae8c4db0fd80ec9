import assert from "node:assert/strict";
import { ConnectionSlots } from "../../src/forward/admission/connection_slots.ts";
import { UnroutedConnections } from "../../src/forward/admission/unrouted_connections.ts";
import { RunningConnections, type Serve } from "../../src/forward/running_connections.ts";
import { captureLog } from "../fakes/captured_log.ts";
import { fakeClock } from "../fakes/fake_clock.ts";
import { memoryPair } from "../fakes/memory_stream.ts";

/** Serves a connection with this function, aborts it, and returns the outcome in the log. */
async function abortedOutcome(serve: Serve): Promise<unknown> {
  await using logged = await captureLog();
  const connections = new RunningConnections(serve, new UnroutedConnections({ max: 1, crowdMs: 1000 }));
  const slots = new ConnectionSlots(1);
  const { far, near } = memoryPair();
  const slot = await slots.take(new AbortController().signal);
  connections.start(Object.assign(far, { peer: "127.0.0.1" }), { slot, key: "127.0.0.1:80" });
  await connections[Symbol.asyncDispose]();
  assert.deepEqual([connections.size, slots.inUse, far.closed], [0, 0, true]);
  near.close();
  assert.deepEqual(logged.lines("error"), []);
  return logged.records.at(-1)!.properties["outcome"];
}

Deno.test("RunningConnections logs a connection as aborted, however it ends after the abort", async () => {
  const untilAbort = (signal: AbortSignal) =>
    new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  const ends: Serve[] = [
    async (_, { signal }) => (await untilAbort(signal), "ok"),
    async (_, { signal }) => (await untilAbort(signal), "dial_failed"),
    async (_, { signal }) => (await untilAbort(signal), Promise.reject(signal.reason)),
    async (_, { signal }) => (await untilAbort(signal), Promise.reject(new TypeError("bug"))),
  ];
  for (const serve of ends) assert.equal(await abortedOutcome(serve), "aborted");
});

// An attacker with many addresses, of the LAN or of 127.0.0.0/8, had one connection from each, and
// the oldest of all was an honest one.
Deno.test("RunningConnections counts a /24, and a listener's local programs, as one client (F65, R74)", async () => {
  using clock = fakeClock();
  const aborted: string[] = [];
  const connections = new RunningConnections(
    (stream, { signal }) =>
      new Promise((resolve) =>
        signal.addEventListener("abort", () => {
          aborted.push(stream.peer);
          resolve("aborted");
        }, { once: true })
      ),
    new UnroutedConnections({ max: 6, crowdMs: 5000 }),
  );
  const slots = new ConnectionSlots(10);
  async function connect(peer: string, local: string): Promise<void> {
    const slot = await slots.take(new AbortController().signal);
    connections.start(Object.assign(memoryPair().far, { peer, local }), { slot, key: `${local}:80` });
  }
  await connect("192.168.2.7", "192.168.1.2");
  await connect("127.0.0.1", "127.0.0.9");
  for (const host of [5, 6]) await connect(`192.168.1.${host}`, "192.168.1.2");
  for (const host of [3, 4]) await connect(`127.0.0.${host}`, "127.0.0.8");
  await clock.pass(600);
  await connect("192.168.1.7", "192.168.1.2");
  await connect("127.0.0.5", "127.0.0.8");
  assert.deepEqual(aborted, ["192.168.1.5", "127.0.0.3"]);
  await connections[Symbol.asyncDispose]();
});
