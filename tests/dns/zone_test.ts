import assert from "node:assert/strict";
import fc from "fast-check";
import { addressRecord, NO_RECORD, Zone } from "../../src/dns/zone.ts";
import { formatIpv4 } from "../../src/lib/ipv4.ts";
import { ListenerRoutes, type Route } from "../../src/model/route_table.ts";

const HERE = addressRecord("192.168.1.5");

function lookUp(zone: Zone, name: string): string | undefined {
  return zone.find(name, HERE)?.subarray(12).join(".");
}

Deno.test("Zone finds exact names before wildcards, and the longest suffix at any depth", () => {
  const zone = new Zone([
    { hostname: "a.example.com", address: "10.107.0.1" },
    { hostname: "*.example.com", address: "10.107.0.2" },
    { hostname: "*.deep.example.com", address: "10.107.0.3" },
    { hostname: "a.example.com", address: "10.107.0.9" },
  ]);
  assert.equal(lookUp(zone, "a.example.com"), "10.107.0.1");
  assert.equal(lookUp(zone, "b.example.com"), "10.107.0.2");
  assert.equal(lookUp(zone, "x.y.b.example.com"), "10.107.0.2");
  assert.equal(lookUp(zone, "x.deep.example.com"), "10.107.0.3");
  assert.equal(lookUp(zone, "deep.example.com"), "10.107.0.2");
  for (
    const name of [
      "example.com",
      "com",
      "",
      "aexample.com",
      "a.example.com.org",
      "*.example.com",
      "-.example.com",
    ]
  ) {
    assert.equal(lookUp(zone, name), undefined, name);
  }
});

Deno.test("Zone answers below a wildcard for no name by which programs configure themselves", () => {
  const zone = new Zone([
    { hostname: "*.example.com", address: "10.107.0.1" },
    { hostname: "wpad.exact.example.com", address: "10.107.0.2" },
    { hostname: "*._own.example.com", address: "10.107.0.3" },
  ]);
  for (const label of ["wpad", "wpad7", "isatap", "_tcp", "x._tcp", "_acme-challenge.x"]) {
    assert.equal(lookUp(zone, `${label}.example.com`), undefined, label);
  }
  assert.equal(lookUp(zone, "x.wpad.example.com"), "10.107.0.1");
  assert.equal(lookUp(zone, "wpad.exact.example.com"), "10.107.0.2");
  assert.equal(lookUp(zone, "x._own.example.com"), "10.107.0.3");
});

Deno.test("Zone answers for no name that no endpoint may have, below no wildcard either", () => {
  const zone = new Zone(
    [{ hostname: "*.myapp.internal", address: "10.107.0.1" }],
    (name) => name === "proxy.myapp.internal",
  );
  assert.equal(lookUp(zone, "proxy.myapp.internal"), undefined);
  assert.equal(lookUp(zone, "db.myapp.internal"), "10.107.0.1");
});

Deno.test("Zone returns the local address for a name or wildcard without an address", () => {
  const zone = new Zone([
    { hostname: "a.example.com", address: undefined },
    { hostname: "*.w.example.com", address: undefined },
  ]);
  assert.equal(lookUp(zone, "a.example.com"), "192.168.1.5");
  assert.equal(lookUp(zone, "b.w.example.com"), "192.168.1.5");
  assert.equal(lookUp(zone, "w.example.com"), undefined);
});

Deno.test("Zone has no record for a name that must not resolve, and no wildcard answers for it", () => {
  const zone = new Zone([
    { hostname: "a.w.example.com", address: undefined, withheld: true },
    { hostname: "*.w.example.com", address: "10.107.0.2" },
    { hostname: "*.v.example.com", address: undefined, withheld: true },
  ]);
  assert.equal(zone.find("a.w.example.com", HERE), NO_RECORD);
  assert.equal(zone.find("b.v.example.com", HERE), NO_RECORD);
  assert.equal(lookUp(zone, "b.w.example.com"), "10.107.0.2");
});

Deno.test("Zone rejects an address that is not IPv4", () => {
  assert.throws(() => new Zone([{ hostname: "a.example.com", address: "::1" }]), RangeError);
});

Deno.test("Zone and ListenerRoutes agree on every name", () => {
  const label = fc.constantFrom("a", "b", "c", "-", "1");
  const name = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join("."));
  const entry = fc.tuple(name, fc.boolean()).map(([name, wildcard]) => wildcard ? `*.${name}` : name);
  fc.assert(
    fc.property(
      fc.uniqueArray(entry, { maxLength: 6 }),
      fc.array(name, { minLength: 1 }),
      (entries, asked) => {
        const hostnames = entries.map((hostname, index) => ({ hostname, address: formatIpv4(index) }));
        const zone = new Zone(hostnames);
        const routes = new ListenerRoutes(
          hostnames.map(({ hostname, address }): Route => ({
            hostname,
            address,
            port: 443,
            scheme: "https",
            wildcard: hostname.startsWith("*."),
            endpointIds: ["ep_1"],
            localPort: 443,
            listenInterface: "virtual",
          })),
        );
        for (const name of asked) assert.equal(lookUp(zone, name), routes.match(name)?.address, name);
      },
    ),
    { seed: 4, numRuns: 300 },
  );
});

Deno.test("Zone.hasNamesBelow() is true for every domain above a name of ours, and below a wildcard", () => {
  const zone = new Zone([
    { hostname: "api.team.myapp", address: undefined },
    { hostname: "*.apps.other", address: undefined },
  ]);
  for (const domain of ["team.myapp", "myapp", "apps.other", "other", "x.apps.other", ""]) {
    assert.ok(zone.hasNamesBelow(domain), domain);
  }
  for (const domain of ["api.team.myapp", "x.team.myapp", "org", "x.other"]) {
    assert.ok(!zone.hasNamesBelow(domain), domain);
  }
});
