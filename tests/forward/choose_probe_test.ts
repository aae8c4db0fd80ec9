import assert from "node:assert/strict";
import { chooseProbe, isInDoubt, probeHost, type ProbeOccasion } from "../../src/forward/choose_probe.ts";
import type { Route } from "../../src/model/route_table.ts";
import { route } from "../fakes/routes.ts";

const ALL = ["tcp://a.x:5432", "https://b.x:443", "http://d.x:80", "http://c.x:80"];
const TLS = ["tcp://a.x:5432", "tls://b.x:443", "https://c.x:443"];
const TCP = ["tcp://a.x:5432", "tcp://b.x:6379"];

const HTTP = ["http://a.x:80", "tcp://b.x:6379"];

/** Endpoints, occasion, those that were refused (true: failing), the last one → the chosen one. */
type Row = [
  urls: string[],
  occasion: ProbeOccasion,
  refused: Record<string, boolean>,
  last: string,
  chosen: string | undefined,
  more?: { unanswered?: string; isFailingNext?: boolean; asked?: string },
];

const ROWS: Row[] = [
  [[], "change", {}, "", undefined],
  // The best scheme takes turns.
  [ALL, "idle", {}, "", "c.x"],
  [ALL, "idle", {}, "c.x:80", "d.x"],
  [ALL, "change", {}, "d.x:80", "c.x"],
  [TLS, "retry", {}, "b.x:443", "c.x"],
  // A server of a tcp endpoint may log a connection that ends at once, or block this machine.
  [TCP, "idle", {}, "", undefined],
  [TCP, "change", {}, "a.x:5432", "b.x"],
  [TCP, "change", {}, "a.x:5432", "a.x", { asked: "b.x:6379" }],
  [TCP, "retry", {}, "b.x:6379", undefined],
  [TCP, "retry", { "b.x:6379": false }, "", "b.x", { unanswered: "b.x:6379" }],
  [TCP, "retry", { "b.x:6379": false }, "", undefined, { unanswered: "b.x:6379", asked: "b.x:6379" }],
  // One that is failing is probed too: the ingress does not reach its server.
  [TCP, "idle", { "b.x:6379": true }, "", "b.x"],
  [TCP, "idle", { "b.x:6379": true }, "", undefined, { asked: "b.x:6379" }],
  [TCP, "idle", { "b.x:6379": false }, "", undefined],
  [ALL, "idle", { "a.x:5432": true }, "d.x:80", "a.x", { isFailingNext: true }],
  [ALL, "idle", { "a.x:5432": true }, "", "c.x"],
  [ALL, "recovery", { "a.x:5432": true, "b.x:443": true }, "a.x:5432", "b.x"],
  // One that was refused once or twice is probed again before any other.
  [ALL, "refused", { "d.x:80": false, "a.x:5432": false, "b.x:443": true }, "c.x:80", "d.x"],
  // Another one than the one that was not answered shows whether the ingress or the endpoint hangs.
  [ALL, "retry", { "c.x:80": false }, "c.x:80", "d.x", { unanswered: "c.x:80" }],
  [ALL, "retry", { "d.x:80": false }, "d.x:80", "b.x", { unanswered: "d.x:80" }],
  [HTTP, "retry", { "a.x:80": false }, "a.x:80", "a.x", { unanswered: "a.x:80" }],
  [HTTP, "retry", { "b.x:6379": false }, "", "a.x", { unanswered: "b.x:6379" }],
];

Deno.test("chooseProbe() spares servers that notice a probe, and asks for failing ones (R110)", () => {
  function choose(urls: readonly Route[], [, occasion, refused, last, , more = {}]: Row): Route | undefined {
    const { unanswered, isFailingNext = false, asked } = more;
    return chooseProbe(urls, {
      occasion,
      refused: new Map(Object.entries(refused)),
      unanswered,
      last: { usual: last, failing: last },
      isFailingNext,
      mayAskTcp: (service) => service !== asked,
    });
  }
  for (const row of ROWS) {
    const chosen = choose(row[0].map((url) => route(url)), row);
    assert.equal(chosen?.hostname, row[4], JSON.stringify(row));
  }
  const extra = route("http://a.x:80", { extra: true });
  const change: Row = [[], "change", {}, "", undefined];
  assert.equal(choose([extra], change), undefined, "an extra listener is not another service");
});

Deno.test("isInDoubt() is false for tcp endpoints, whose servers a probe would reach (R110)", () => {
  const refused = new Map([["a.x:80", false], ["b.x:80", true], ["c.x:5432", false]]);
  const urls = ["http://a.x:80", "http://b.x:80", "tcp://c.x:5432", "http://d.x:80"];
  assert.deepEqual(urls.map((url) => isInDoubt(route(url), refused)), [true, false, false, false]);
});

Deno.test("probeHost() asks for a name below a wildcard, in the spelling of the API (R89)", () => {
  assert.equal(probeHost(route("http://*.apps.x:80")), "ngrokd-probe.apps.x");
  assert.equal(probeHost(route("http://a.x:80")), "a.x");
  assert.equal(probeHost(route("http://a.x:80", { spelling: "A.x." })), "A.x.");
  assert.equal(probeHost(route("http://*.apps.x:80", { spelling: "*.Apps.X" })), "ngrokd-probe.Apps.X");
});
