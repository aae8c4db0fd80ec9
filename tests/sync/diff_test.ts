import assert from "node:assert/strict";
import type { Route } from "../../src/model/route_table.ts";
import { diff, type ObservedListeners } from "../../src/sync/diff.ts";

function route(hostname: string, fields: Partial<Route> = {}): Route {
  return {
    hostname,
    port: 80,
    scheme: "http",
    wildcard: false,
    endpointIds: ["ep_1"],
    address: "127.0.0.2",
    localPort: 80,
    listenInterface: "virtual",
    ...fields,
  };
}

/** A route on every address. */
function shared(hostname: string, fields: Partial<Route> = {}): Route {
  return route(hostname, { listenInterface: "0.0.0.0", address: "0.0.0.0", ...fields });
}

/** One line for each change. */
function changes(routes: readonly Route[], now: Partial<ObservedListeners> = {}): string[] {
  const { close, wanted } = diff(routes, { observed: [], ports: new Map(), ...now });
  return [
    ...close.map((key) => `close ${key}`),
    ...wanted.map(({ kind, group: { address, port, routes, remappable } }) => {
      const names = routes.map(({ hostname }) => hostname);
      return `${kind} ${address}:${port} ${names}${remappable ? "" : " here only"}`;
    }),
  ];
}

Deno.test("diff() closes listeners that nobody needs, keeps the others, and opens new ones", () => {
  const observed = ["127.0.0.2:80", "127.0.0.3:80", "0.0.0.0:80"];
  assert.deepEqual(changes([route("a.t"), route("b.t", { address: "127.0.0.4" })], { observed }), [
    "close 127.0.0.3:80",
    "close 0.0.0.0:80",
    "keep 127.0.0.2:80 a.t",
    "open 127.0.0.4:80 b.t",
  ]);
});

Deno.test("diff() closes everything when nothing is wanted", () => {
  assert.deepEqual(changes([], { observed: ["127.0.0.2:80"] }), ["close 127.0.0.2:80"]);
  assert.deepEqual(changes([]), []);
});

Deno.test("diff() closes and opens nothing when the wanted listeners are open", () => {
  const routes = [route("a.t"), route("b.t", { port: 81, localPort: 81 })];
  assert.deepEqual(changes(routes, { observed: ["127.0.0.2:81", "127.0.0.2:80"] }), [
    "keep 127.0.0.2:80 a.t",
    "keep 127.0.0.2:81 b.t",
  ]);
});

Deno.test("diff() closes a listener on one address when one on every address has its port", () => {
  const routes = [shared("a.t"), shared("b.t"), route("c.t")];
  assert.deepEqual(changes(routes, { observed: ["127.0.0.2:80", "0.0.0.0:80"] }), [
    "close 127.0.0.2:80",
    "keep 0.0.0.0:80 a.t,b.t here only",
    "open 127.0.0.2:80 c.t",
  ]);
});

Deno.test("diff() shares a listener only among http, https and tls outside virtual mode", () => {
  const tls: Partial<Route> = { scheme: "tls", port: 443, localPort: 443 };
  assert.deepEqual(
    changes([shared("a.t"), shared("b.t"), shared("c.t", tls), shared("d.t", { scheme: "tcp" })]),
    [
      "open 0.0.0.0:80 a.t,b.t here only",
      "open 0.0.0.0:443 c.t here only",
      "open 0.0.0.0:80 d.t",
    ],
  );
});

Deno.test("diff() gives a listener to the first group that wants it", () => {
  const routes = [shared("a.t"), shared("b.t", { scheme: "tcp" })];
  assert.deepEqual(changes(routes, { observed: ["0.0.0.0:80"] }), [
    "keep 0.0.0.0:80 a.t here only",
    "open 0.0.0.0:80 b.t",
  ]);
});

Deno.test("diff() leaves a remapped listener open, and lets its group try its own port", () => {
  const ports = new Map([["a.t:80", 9080], ["away.t:80", 9081]]);
  assert.deepEqual(changes([route("a.t")], { observed: ["127.0.0.2:9080", "127.0.0.2:9081"], ports }), [
    "close 127.0.0.2:9081",
    "open 127.0.0.2:80 a.t",
  ]);
});

Deno.test("diff() keeps no listener for a group on the port to which another was remapped", () => {
  const tcp = { scheme: "tcp" } as const;
  const routes = [shared("a.t", { ...tcp, port: 9080, localPort: 9080 }), shared("b.t", tcp)];
  assert.deepEqual(changes(routes, { observed: ["0.0.0.0:9080"], ports: new Map([["b.t:80", 9080]]) }), [
    "open 0.0.0.0:9080 a.t",
    "open 0.0.0.0:80 b.t",
  ]);
});
