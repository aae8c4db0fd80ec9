import assert from "node:assert/strict";
import { chooseProbe, isInDoubt, probeHost, type ProbeOccasion } from "../../src/forward/choose_probe.ts";
import { route } from "../fakes/routes.ts";

const ALL = ["tcp://a.x:5432", "https://b.x:443", "http://d.x:80", "http://c.x:80"];
const TLS = ["tcp://a.x:5432", "tls://b.x:443", "https://c.x:443"];
const TCP = ["tcp://a.x:5432", "tcp://b.x:6379"];

/** Endpoints, occasion, those that were refused (true: failing), the last one → the chosen one. */
type Row = [string[], ProbeOccasion, Record<string, boolean>, string, string | undefined];

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
  [TCP, "retry", {}, "b.x:6379", "a.x"],
  // One that is failing is probed too: the ingress does not reach its server.
  [TCP, "idle", { "b.x:6379": true }, "", "b.x"],
  [TCP, "idle", { "b.x:6379": false }, "", undefined],
  [ALL, "idle", { "a.x:5432": true }, "d.x:80", "a.x"],
  [ALL, "idle", { "a.x:5432": true }, "a.x:5432", "c.x"],
  // One that was refused once or twice is probed again before any other.
  [ALL, "refused", { "d.x:80": false, "a.x:5432": false, "b.x:443": true }, "c.x:80", "d.x"],
];

Deno.test("chooseProbe() spares servers that notice a probe, and asks for failing ones (R110)", () => {
  for (const [urls, occasion, refused, last, chosen] of ROWS) {
    const options = { occasion, refused: new Map(Object.entries(refused)), last };
    const what = `${urls} ${occasion} after ${last}`;
    assert.equal(chooseProbe(urls.map((url) => route(url)), options)?.hostname, chosen, what);
  }
  const extra = route("http://a.x:80", { extra: true });
  const options = { occasion: "change", refused: new Map(), last: "" } as const;
  assert.equal(chooseProbe([extra], options), undefined, "an extra listener is not another service");
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
