import assert from "node:assert/strict";
import type { Route } from "../../src/model/route_table.ts";
import { type Change, diff, remapKey } from "../../src/sync/diff.ts";

const NONE: ReadonlyMap<string, number> = new Map();

function route(hostname: string, fields: Partial<Route> = {}): Route {
  return {
    hostname,
    port: 80,
    scheme: "http",
    wildcard: false,
    endpointIds: ["ep_1"],
    address: "127.0.0.2",
    localPort: 80,
    mode: "virtual",
    ...fields,
  };
}

function shown(changes: readonly Change[]): string[] {
  return changes.map((change) =>
    change.kind === "close"
      ? `close ${change.key}`
      : `open ${change.group.address}:${change.group.port} ${
        change.group.routes.map(({ hostname }) => hostname)
      }${change.group.remappable ? "" : " here only"}`
  );
}

Deno.test("diff() closes what is observed and not wanted, before it opens what is wanted", () => {
  const changes = diff([route("a.t")], {
    observed: ["127.0.0.2:80", "127.0.0.3:80", "0.0.0.0:80"],
    ports: NONE,
  });
  assert.deepEqual(shown(changes), ["close 127.0.0.3:80", "close 0.0.0.0:80", "open 127.0.0.2:80 a.t"]);
});

Deno.test("diff() closes everything when nothing is wanted, and has nothing to do when nothing is there", () => {
  assert.deepEqual(shown(diff([], { observed: ["127.0.0.2:80"], ports: NONE })), ["close 127.0.0.2:80"]);
  assert.deepEqual(diff([], { observed: [], ports: NONE }), []);
});

Deno.test("diff() shares one listener among http, https and tls of one address and port outside virtual mode, and never remaps it", () => {
  const network = { mode: "0.0.0.0", address: "0.0.0.0" };
  const changes = diff(
    [
      route("a.t", network),
      route("b.t", network),
      route("c.t", { ...network, scheme: "tls", port: 443, localPort: 443 }),
      route("d.t", { ...network, scheme: "tcp" }),
    ],
    { observed: [], ports: NONE },
  );
  assert.deepEqual(shown(changes), [
    "open 0.0.0.0:80 a.t,b.t here only",
    "open 0.0.0.0:443 c.t here only",
    "open 0.0.0.0:80 d.t",
  ]);
});

Deno.test("diff() keeps the listener on the other port that an endpoint had to move to", () => {
  const ports = new Map([["a.t:80", 9080], ["away.t:80", 9081]]);
  assert.deepEqual(shown(diff([route("a.t")], { observed: ["127.0.0.2:9080", "127.0.0.2:9081"], ports })), [
    "close 127.0.0.2:9081",
    "open 127.0.0.2:80 a.t",
  ]);
});

Deno.test("remapKey() names a group by its URL's port, whatever it listens on", () => {
  assert.equal(
    remapKey({
      address: "0.0.0.0",
      port: 9080,
      routes: [route("a.t", { port: 5432 })],
      remappable: true,
      extra: false,
    }),
    "a.t:5432",
  );
});
