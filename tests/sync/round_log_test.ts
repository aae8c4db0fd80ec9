import assert from "node:assert/strict";
import { allocate } from "../../src/sync/allocate.ts";
import { diff } from "../../src/sync/diff.ts";
import { reconcile } from "../../src/sync/reconcile.ts";
import type { EndpointOutcome } from "../../src/sync/round.ts";
import { RoundLog } from "../../src/sync/round_log.ts";
import { endpoints } from "../fakes/endpoints.ts";
import { FakeWorld, roundSettings } from "../fakes/sync_effects.ts";
import { captureLog } from "../fakes/captured_log.ts";

const SETTINGS = { ...roundSettings(), leases: new Map() };

function urls(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `tcp://e${String(index).padStart(5, "0")}.t:7000`);
}

function active(count: number): EndpointOutcome[] {
  const list = endpoints(...urls(count));
  const { routes } = allocate(list, SETTINGS);
  return list.map((endpoint, index) => ({ endpoint, route: routes[index], reason: "", state: "active" }));
}

function failed(count: number, reason = "address is in use"): EndpointOutcome[] {
  return active(count).map(({ endpoint }) => ({ endpoint, route: undefined, reason, state: "failed" }));
}

Deno.test("RoundLog says each new endpoint, each failure and each refusal once", async () => {
  await using captured = await captureLog();
  const log = new RoundLog();
  const refused = [{ id: "ep_x", url: "ftp://x", reason: "the scheme is not known" }];
  assert.deepEqual(log.report([...active(1), ...failed(2).slice(1)], refused), []);
  assert.deepEqual(log.report([...active(1), ...failed(2).slice(1)], refused), []);
  assert.deepEqual(captured.records.map(({ level, message }) => [level, message.map(String).join("")]), [
    ["info", "Listening for tcp://e00000.t:7000 on 127.107.0.2:7000"],
    ["error", "Cannot serve tcp://e00001.t:7000: address is in use"],
    ["warning", "Refused ftp://x: the scheme is not known"],
  ]);
});

Deno.test("RoundLog says another reason, what works again, and what is gone", async () => {
  await using captured = await captureLog();
  const log = new RoundLog();
  log.report(failed(1), []);
  log.report(failed(1, "no file descriptor is left"), []);
  log.report(active(1), []);
  assert.deepEqual(log.report([], []), ["ep_00000"]);
  assert.deepEqual(captured.records.map(({ message }) => message.map(String).join("")), [
    "Cannot serve tcp://e00000.t:7000: address is in use",
    "Cannot serve tcp://e00000.t:7000: no file descriptor is left",
    "Listening for tcp://e00000.t:7000 on 127.107.0.2:7000",
    "Endpoints are gone",
  ]);
});

Deno.test("RoundLog has a line for each of 50 endpoints of a kind, and one for 9,950 more", async () => {
  await using captured = await captureLog();
  const refused = active(10_000).map(({ endpoint: { id, url } }) => ({ id, url, reason: "reserved" }));
  new RoundLog().report(active(10_000), []);
  new RoundLog().report(failed(10_000), refused);
  assert.deepEqual(
    (["info", "error", "warning"] as const).map((level) => {
      const lines = captured.lines(level);
      return [lines.length, lines.at(-1)];
    }),
    [
      [51, "Listening for 9950 more endpoints"],
      [51, "Cannot serve 9950 more endpoints: ngrokctl list says why"],
      [51, "Refused 9950 more endpoints: ngrokctl list says why"],
    ],
  );
});

Deno.test("reconcile() says of 50 ports that they are in use, and of 50 more in one line", async () => {
  await using captured = await captureLog();
  const world = new FakeWorld();
  const { routes } = allocate(endpoints(...urls(100)), SETTINGS);
  for (const { address } of routes) world.unbindable.set(`${address}:7000`, "in_use");
  let ports: ReadonlyMap<string, number> = new Map();
  for (let round = 0; round < 2; round++) {
    const changes = diff(routes, { observed: world.listeners.observe(), ports });
    ({ ports } = await reconcile(changes, world, { ports, startPort: 9080 }));
  }
  const lines = captured.lines("warning");
  assert.deepEqual([lines.length, lines[0], lines.at(-1)], [
    51,
    "Port in use, trying next port",
    "50 more ports are in use: ngrokctl list says which",
  ]);
});
