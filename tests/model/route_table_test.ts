import assert from "node:assert/strict";
import { cpuTimeMs } from "../fakes/cpu_time.ts";
import fc from "fast-check";
import { ListenerRoutes, type Route, RouteTable } from "../../src/model/route_table.ts";

function route(hostname: string, fields: Partial<Route> = {}): Route {
  const wildcard = hostname.startsWith("*.");
  return {
    hostname,
    port: 443,
    scheme: "tls",
    wildcard,
    endpointIds: [`ep_${hostname}`],
    address: "127.0.0.2",
    localPort: 443,
    listenInterface: "virtual",
    ...fields,
  };
}

Deno.test("ListenerRoutes.match() prefers the exact name, then the longest wildcard suffix", () => {
  const routes = new ListenerRoutes(
    ["*.com", "a.b.example.com", "*.example.com", "*.b.example.com"].map((name) => route(name)),
  );
  const matches = {
    "a.b.example.com": "a.b.example.com",
    "x.b.example.com": "*.b.example.com",
    "x.y.b.example.com": "*.b.example.com",
    "b.example.com": "*.example.com",
    "x.example.com": "*.example.com",
    "example.com": "*.com",
    "other.com": "*.com",
  };
  for (const [name, hostname] of Object.entries(matches)) {
    assert.equal(routes.match(name)?.hostname, hostname, name);
  }
});

Deno.test("ListenerRoutes.match() matches a wildcard neither with its bare suffix nor within a label", () => {
  const routes = new ListenerRoutes([route("*.example.com")]);
  for (const name of ["example.com", "notexample.com", "com", "example.com.evil", ""]) {
    assert.equal(routes.match(name), undefined, name);
  }
});

Deno.test("ListenerRoutes.match() matches a wildcard only with host names", () => {
  const routes = new ListenerRoutes([route("*.example.com")]);
  for (
    const name of [
      ".example.com",
      "*.example.com",
      "..example.com",
      "a b.example.com",
      "-.example.com",
      "a\n.example.com",
      "A.example.com",
      `${"x".repeat(300)}.example.com`,
    ]
  ) {
    assert.equal(routes.match(name), undefined, name);
  }
});

// Such a name once took a second.
Deno.test("ListenerRoutes.match() takes less than 600 ms for a name of 16,000 dots", () => {
  const routes = new ListenerRoutes([route("*.example.com")]);
  const started = cpuTimeMs();
  assert.equal(routes.match(".".repeat(16_000)), undefined);
  assert.ok(cpuTimeMs() - started < 600);
});

Deno.test("ListenerRoutes.match() agrees with the definition for any set of names", () => {
  const label = fc.constantFrom("a", "b", "c");
  const name = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => `${labels.join(".")}.t`);
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.tuple(fc.boolean(), name).map(([star, text]) => star ? `*.${text}` : text), {
        maxLength: 8,
      }),
      name,
      (names, wanted) => {
        const fits = names.filter((candidate) =>
          candidate === wanted || candidate.startsWith("*.") && wanted.endsWith(candidate.slice(1))
        );
        const best = fits.find((candidate) => candidate === wanted) ??
          fits.sort((a, b) => b.length - a.length)[0];
        assert.equal(new ListenerRoutes(names.map((text) => route(text))).match(wanted)?.hostname, best);
      },
    ),
    { seed: 20260106, numRuns: 500 },
  );
});

Deno.test("ListenerRoutes.sole is the only route, if it is not a wildcard", () => {
  assert.equal(new ListenerRoutes([route("a.b")]).sole?.hostname, "a.b");
  assert.equal(new ListenerRoutes([route("*.b")]).sole, undefined);
  assert.equal(new ListenerRoutes([route("a.b"), route("c.b")]).sole, undefined);
  assert.equal(new ListenerRoutes([]).sole, undefined);
});

Deno.test("ListenerRoutes.owner is the only route of a listener that is virtual, tcp, or its own", () => {
  const owner = (...routes: Route[]) => new ListenerRoutes(routes).owner?.hostname;
  const shared = { listenInterface: "0.0.0.0" };
  assert.equal(owner(route("a.b")), "a.b");
  assert.equal(owner(route("a.b", shared)), undefined);
  assert.equal(owner(route("a.b", { ...shared, extra: true })), "a.b");
  assert.equal(owner(route("a.b", { ...shared, scheme: "tcp" })), "a.b");
  assert.equal(owner(route("*.b")), undefined, "the concrete name must be known");
  assert.equal(owner(route("*.b", { scheme: "tcp" })), "*.b", "tcp has no names");
  assert.equal(owner(route("a.b"), route("c.b")), undefined);
  assert.equal(owner(), undefined);
});

// With net.overrides, a name on 0.0.0.0 got wrong_host on each address that another name has.
Deno.test("RouteTable.at() has the shared names on every address also on an address of another name", () => {
  const on = (name: string, address: string, fields: Partial<Route> = {}) =>
    route(name, { address, listenInterface: address, ...fields });
  const table = new RouteTable([
    on("c.t", "0.0.0.0"),
    on("*.w.t", "0.0.0.0"),
    on("other.t", "0.0.0.0", { localPort: 8443 }),
    on("admin.t", "10.8.0.1"),
    on("a.w.t", "10.8.0.1"),
    on("db.t", "10.8.0.2", { scheme: "tcp" }),
    on("page.t", "10.8.0.3", { scheme: "http", extra: true }),
    route("virtual.t", { address: "10.107.0.2" }),
  ]);
  const found = (address: string) =>
    ["c.t", "x.w.t", "a.w.t", "admin.t", "other.t"].map((name) =>
      table.at(`${address}:443`)?.match(name)?.hostname ?? "-"
    ).join(" ");
  assert.equal(found("10.8.0.1"), "c.t *.w.t a.w.t admin.t -");
  assert.equal(
    found("0.0.0.0"),
    "c.t *.w.t *.w.t - -",
    "admin.t is on its own address only",
  );
  for (const own of ["10.8.0.2", "10.8.0.3", "10.107.0.2"]) assert.equal(found(own), "- - - - -");
  assert.equal(table.at("10.8.0.2:443")?.owner?.hostname, "db.t");
  assert.equal(table.at("10.8.0.1:443"), table.at("10.8.0.1:443"), "made once");
});

Deno.test("RouteTable.at() returns the routes of one listener", () => {
  const here = route("a.b");
  const there = route("a.b", { address: "127.0.0.3" });
  const otherPort = route("a.b", { localPort: 9080 });
  const table = new RouteTable([here, there, otherPort]);
  assert.equal(table.at("127.0.0.2:443")?.match("a.b"), here);
  assert.equal(table.at("127.0.0.3:443")?.match("a.b"), there);
  assert.equal(table.at("127.0.0.2:9080")?.match("a.b"), otherPort);
  assert.equal(table.at("127.0.0.9:443"), undefined);
  assert.deepEqual(table.routes, [here, there, otherPort]);
  assert.deepEqual(RouteTable.EMPTY.routes, []);
});

Deno.test("RouteTable has a greater revision than each table before it", () => {
  const first = new RouteTable([route("a.b")]);
  assert.ok(first.revision > RouteTable.EMPTY.revision);
  assert.ok(new RouteTable([]).revision > first.revision);
});
