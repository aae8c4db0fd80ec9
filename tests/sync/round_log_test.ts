import assert from "node:assert/strict";
import { allocate } from "../../src/sync/allocate.ts";
import type { EndpointOutcome } from "../../src/sync/round.ts";
import { RoundLog } from "../../src/sync/round_log.ts";
import { captureLog } from "../fakes/captured_log.ts";
import { endpoints } from "../fakes/endpoints.ts";
import { roundSettings } from "../fakes/sync_effects.ts";

function active(count: number): EndpointOutcome[] {
  const urls = Array.from({ length: count }, (_, index) => `tcp://e${String(index).padStart(5, "0")}.t:7000`);
  const list = endpoints(...urls);
  const { routes } = allocate(list, { ...roundSettings(), leases: new Map() });
  return list.map((endpoint, index) => ({ endpoint, route: routes[index], reason: "", state: "active" }));
}

function failed(count: number, reason = "address is in use"): EndpointOutcome[] {
  return active(count).map(({ endpoint }) => ({ endpoint, route: undefined, reason, state: "failed" }));
}

const NONE = { refused: [] };

Deno.test("RoundLog reports each new endpoint, each failure and each refusal once", async () => {
  await using captured = await captureLog();
  const log = new RoundLog();
  const refused = [{ id: "ep_x", url: "ftp://x", reason: "the scheme is not known" }];
  for (let round = 0; round < 2; round++) {
    assert.deepEqual(log.report([...active(1), ...failed(2).slice(1)], { refused }), []);
  }
  assert.deepEqual(captured.records.map(({ level, message }) => [level, message.map(String).join("")]), [
    ["info", "Listening for tcp://e00000.t:7000 on 127.107.0.2:7000"],
    ["error", "Cannot serve tcp://e00001.t:7000: address is in use"],
    ["warning", "Refused ftp://x: the scheme is not known"],
  ]);
});

Deno.test("RoundLog reports a changed reason, an endpoint that works again, and one that is gone", async () => {
  await using captured = await captureLog();
  const log = new RoundLog();
  log.report(failed(1), NONE);
  log.report(failed(1, "no file descriptor is left"), NONE);
  log.report(active(1), NONE);
  assert.deepEqual(log.report([], NONE), ["ep_00000"]);
  assert.deepEqual(captured.records.map(({ message }) => message.map(String).join("")), [
    "Cannot serve tcp://e00000.t:7000: address is in use",
    "Cannot serve tcp://e00000.t:7000: no file descriptor is left",
    "Listening for tcp://e00000.t:7000 on 127.107.0.2:7000",
    "Removed 1 endpoints",
  ]);
});

Deno.test("RoundLog has a line for each of the first 50 endpoints of a kind, and one for the others", async () => {
  await using captured = await captureLog();
  const refused = active(10_000).map(({ endpoint: { id, url } }) => ({ id, url, reason: "reserved" }));
  new RoundLog().report(active(10_000), NONE);
  new RoundLog().report(failed(10_000), { refused });
  assert.deepEqual(
    (["info", "error", "warning"] as const).map((level) => {
      const lines = captured.lines(level);
      return [lines.length, lines.at(-1)];
    }),
    [
      [51, "Listening for 9950 more endpoints"],
      [51, "Cannot serve 9950 more endpoints"],
      [51, "Refused 9950 more endpoints"],
    ],
  );
});

// The number was logged as the URL of a refused endpoint, and the others were counted without it.
Deno.test("RoundLog counts the refused endpoints that are not kept, again when there are more", async () => {
  await using captured = await captureLog();
  const refused = active(60).map(({ endpoint: { id, url } }) => ({ id, url, reason: "reserved" }));
  const log = new RoundLog();
  for (const refusedMore of [150, 150, 20, 21]) log.report([], { refused, refusedMore });
  const lines = captured.lines("warning");
  assert.deepEqual([lines.length, ...lines.slice(50)], [
    52,
    "Refused 160 more endpoints",
    "Refused 21 more endpoints",
  ]);
});
