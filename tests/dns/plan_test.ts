import assert from "node:assert/strict";
import { parseConfig } from "../../src/config/schema.ts";
import { isNetworkMode, planDns, planOwnAddresses, planZones } from "../../src/dns/plan.ts";
import { addressRecord, NO_RECORD } from "../../src/dns/zone.ts";
import { formatIpv4, parseCidr } from "../../src/lib/ipv4.ts";
import { type Route, RouteTable } from "../../src/model/route_table.ts";

const SUBNET = parseCidr("10.107.0.0/16")!;
const OWN = ["127.0.0.1", "10.107.0.1", "192.0.2.2"];

/** The address that receives the queries. */
const QUERIED = "192.0.2.9";

/** The address in the answer to a client on this machine. */
function answerTo(route: Route, advertiseIp: string): string {
  const record = planZones(new RouteTable([route]), { advertiseIp, refuses: () => false }).local.find(
    route.hostname,
    addressRecord(QUERIED),
  )!;
  return record.subarray(-4).join(".");
}

function route(hostname: string, mode: string, address: string): Route {
  const wildcard = hostname.startsWith("*.");
  return {
    hostname,
    port: 80,
    scheme: "http",
    wildcard,
    endpointIds: ["ep_1"],
    address,
    localPort: 80,
    listenInterface: mode,
  };
}

function plan(config: object, ...routes: Route[]) {
  const { addresses, domains, networkMode } = planDns({
    config: parseConfig(config).config,
    routes,
    subnet: SUBNET,
    own: OWN,
    resolveInterface: (name) => ({ eth0: "192.0.2.2", "192.0.2.2": "192.0.2.2" })[name],
  });
  return { addresses: addresses.map(({ address, port }) => `${address}:${port}`), domains, networkMode };
}

const VIRTUAL = route("api.myapp", "virtual", "10.107.0.2");
const WILDCARD = route("*.apps.example.com", "virtual", "10.107.0.3");
const SHARED = route("web.example.com", "0.0.0.0", "0.0.0.0");
const OFF = { addresses: [], domains: [], networkMode: false };

Deno.test("planDns() needs no DNS in virtual mode without a wildcard, unless it is enabled", () => {
  assert.deepEqual(plan({}), OFF);
  assert.deepEqual(plan({}, VIRTUAL), OFF);
  const gateway = ["10.107.0.1:53"];
  assert.deepEqual(plan({}, VIRTUAL, WILDCARD), {
    addresses: gateway,
    domains: ["*.apps.example.com"],
    networkMode: false,
  });
  assert.deepEqual(plan({ dns: { enabled: true } }, VIRTUAL), { ...OFF, addresses: gateway });
});

Deno.test("planDns() needs DNS in network mode, on each address that serves endpoints", () => {
  const all = ["10.107.0.1:53", "127.0.0.1:53", "192.0.2.2:53"];
  assert.deepEqual(plan({ net: { listen_interface: "0.0.0.0" } }), {
    ...OFF,
    addresses: all,
    networkMode: true,
  });
  const shared = plan({ net: { overrides: { "web.example.com": "0.0.0.0" } } }, VIRTUAL, SHARED);
  assert.deepEqual(shared, { addresses: all, domains: ["web.example.com"], networkMode: true });
  for (const listen_interface of ["eth0", "192.0.2.2"]) {
    assert.deepEqual(plan({ net: { listen_interface } }).addresses, all);
  }
  assert.deepEqual(plan({ net: { listen_interface: "gone" } }).addresses, ["10.107.0.1:53", "127.0.0.1:53"]);
});

Deno.test("planDns() treats a loopback interface or address as not shared", () => {
  for (const target of ["lo", "lo0", "127.0.0.1", "127.1.2.3"]) {
    const own = route("own.example.com", target, "127.0.0.1");
    const net = { listen_interface: target, overrides: { "a.example.com": "virtual" } };
    assert.deepEqual(plan({ net }), OFF, target);
    assert.deepEqual(plan({ net }, own), {
      addresses: ["10.107.0.1:53"],
      domains: ["own.example.com"],
      networkMode: false,
    });
    assert.equal(isNetworkMode(parseConfig({ net }).config.net), false);
    assert.equal(answerTo(own, "198.51.100.1"), "127.0.0.1", "it is never advertised");
  }
});

Deno.test("planDns() uses the address and port of dns.listen", () => {
  const net = { listen_interface: "eth0" };
  assert.deepEqual(plan({ net, dns: { listen: "127.0.0.5" } }).addresses, ["127.0.0.5:53"]);
  assert.deepEqual(plan({ net, dns: { listen: "127.0.0.5:5353" } }).addresses, ["127.0.0.5:5353"]);
  assert.deepEqual(plan({ net, dns: { listen: ":5353" } }).addresses, [
    "10.107.0.1:5353",
    "127.0.0.1:5353",
    "192.0.2.2:5353",
  ]);
  assert.deepEqual(plan({ dns: { listen: "0.0.0.0:5353", enabled: true } }).addresses, [
    "10.107.0.1:5353",
    "127.0.0.1:5353",
    "192.0.2.2:5353",
  ]);
});

Deno.test("planZones() knows names that must not resolve, where their listeners would be", () => {
  const withheld = new Map([["web.example.com", "0.0.0.0"], ["api.myapp", "virtual"]]);
  const table = new RouteTable([VIRTUAL, SHARED, WILDCARD], withheld);
  const { local, others, names } = planZones(table, { advertiseIp: "", refuses: () => false });
  const found = [local, others].map((zone) =>
    [...withheld.keys()].map((name) => zone.find(name, addressRecord(QUERIED)) === NO_RECORD)
  );
  assert.deepEqual(found, [[true, true], [true, false]]);
  assert.equal(names, 1);
});

Deno.test("planZones() answers with the address of listener or query, or the advertised one", () => {
  assert.equal(answerTo(VIRTUAL, ""), "10.107.0.2");
  assert.equal(answerTo(VIRTUAL, "198.51.100.1"), "10.107.0.2", "a virtual address is never advertised");
  assert.equal(answerTo(SHARED, ""), QUERIED);
  assert.equal(answerTo(SHARED, "198.51.100.1"), "198.51.100.1");
  assert.equal(answerTo(route("a.example.com", "eth0", "192.0.2.2"), ""), "192.0.2.2");
  const spread = { ...SHARED, advertisedIp: "192.0.2.3" };
  for (const advertiseIp of ["", "198.51.100.1"]) assert.equal(answerTo(spread, advertiseIp), "192.0.2.3");
});

Deno.test("planOwnAddresses() has listeners, the DNS server, and the advertised address if shared", () => {
  const own = (net: object, ...routes: Route[]) => {
    const input = {
      config: parseConfig({ net }).config,
      routes,
      subnet: SUBNET,
      own: OWN,
      resolveInterface: () => undefined,
    };
    return [...planOwnAddresses(input, [{ address: "127.0.0.1", port: 53 }])].map(formatIpv4);
  };
  const advertise_ip = "198.51.100.1";
  assert.deepEqual(own({ advertise_ip }, VIRTUAL), ["127.0.0.1", "10.107.0.2"]);
  const shared = { advertise_ip, listen_interface: "0.0.0.0" };
  assert.deepEqual(own(shared, SHARED), ["127.0.0.1", advertise_ip, "10.107.0.1", "192.0.2.2"]);
});
