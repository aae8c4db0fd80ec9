import assert from "node:assert/strict";
import {
  endpointHealth,
  type EndpointReportInput,
  endpointReports,
} from "../../../src/daemon/answers/endpoints.ts";
import type { EndpointReport } from "../../../src/model/report.ts";
import type { Endpoint } from "../../../src/model/endpoint.ts";
import type { Route } from "../../../src/model/route_table.ts";
import type { Traffic } from "../../../src/model/traffic.ts";
import type { EndpointOutcome } from "../../../src/sync/round.ts";

const IDLE: Traffic = { open: 0, total: 0, bytesIn: 0, bytesOut: 0, errors: 0 };

/** The reports of a daemon without traffic whose machine does not use the DNS server. */
function reportsOf(input: Partial<EndpointReportInput>): EndpointReport[] {
  return endpointReports({
    outcomes: [],
    refused: [],
    traffic: () => IDLE,
    modeOf: () => "virtual",
    sharedAddress: () => "192.168.1.10",
    asksDns: false,
    ...input,
  });
}

/** An http endpoint with a virtual listener; one without a route has failed. */
function outcome(
  changes: Partial<Endpoint>,
  route: Partial<Route> | undefined,
  reason = "",
): EndpointOutcome {
  const endpoint: Endpoint = {
    id: "ep_1",
    url: "http://api.myapp",
    scheme: "http",
    hostname: "api.myapp",
    port: 80,
    wildcard: false,
    ...changes,
  };
  if (route === undefined) return { endpoint, route, reason, state: "failed" };
  const { id, scheme, hostname, port, wildcard } = endpoint;
  const whole: Route = {
    scheme,
    hostname,
    port,
    wildcard,
    endpointIds: [id],
    address: "127.107.0.2",
    localPort: port,
    listenInterface: "virtual",
    ...route,
  };
  return { endpoint, route: whole, reason, state: "active" };
}

Deno.test("endpointReports() has every field of the Go daemon, and the new ones", () => {
  const traffic: Traffic = { open: 1, total: 3, bytesIn: 10, bytesOut: 20, errors: 2, lastActivity: 0 };
  const [row] = reportsOf({
    outcomes: [outcome({}, {})],
    traffic: () => traffic,
  });
  assert.deepEqual(row, {
    id: "ep_1",
    url: "http://api.myapp",
    hostname: "api.myapp",
    ip: "127.107.0.2",
    port: 80,
    listen_address: "127.107.0.2:80",
    mode: "virtual",
    state: "active",
    reason: "",
    local_listener: true,
    network_port: 0,
    listen_interface: "virtual",
    wildcard: false,
    wildcard_suffix: "",
    shared_listener_key: "",
    open_connections: 1,
    total_connections: 3,
    bytes_in: 10,
    bytes_out: 20,
    last_activity: "1970-01-01T00:00:00.000Z",
  });
});

Deno.test("endpointReports() shows network mode as the Go daemon did", () => {
  const shared = outcome({}, { listenInterface: "0.0.0.0", address: "0.0.0.0" });
  const tcp = outcome({ id: "ep_2", scheme: "tcp", port: 5432 }, {
    listenInterface: "eth0",
    address: "192.0.2.1",
    localPort: 9080,
  });
  const [http, own] = reportsOf({ outcomes: [shared, tcp] });
  assert.equal(http!.listen_interface, "0.0.0.0");
  assert.equal(http!.network_port, 80);
  assert.equal(http!.shared_listener_key, "shared:0.0.0.0:80");
  assert.deepEqual(
    [http!.ip, http!.listen_address],
    ["192.168.1.10", "192.168.1.10:80"],
    "it can be dialled",
  );
  const health = endpointHealth([http!], () => IDLE);
  assert.equal(health["ep_1"]!.local_address, "192.168.1.10:80");
  assert.equal(own!.listen_interface, "192.0.2.1");
  assert.equal(own!.network_port, 9080);
  assert.equal(own!.shared_listener_key, "");
  const advertised = { listenInterface: "0.0.0.0", address: "0.0.0.0", advertisedIp: "192.0.2.2" };
  const [spread] = reportsOf({ outcomes: [outcome({}, advertised)] });
  assert.equal(spread!.listen_address, "192.0.2.2:80");
  assert.equal(spread!.listen_interface, "0.0.0.0");
  assert.equal(spread!.shared_listener_key, "shared:0.0.0.0:80");
});

// They showed virtual, whatever the configuration said.
Deno.test("endpointReports() shows the mode that a failed or refused endpoint would have", () => {
  const rows = reportsOf({
    outcomes: [outcome({}, undefined, "Cannot bind 0.0.0.0:80: address is in use")],
    refused: [
      { id: "ep_2", url: "tcp://db.myapp:22", reason: "port 22 is not allowed" },
      { id: "ep_3", url: "not a URL", reason: "unclear" },
    ],
    modeOf: (hostname) => hostname === "db.myapp" ? "eth0" : "0.0.0.0",
  });
  const modes = Object.fromEntries(
    rows.map(({ id, mode, listen_interface }) => [id, [mode, listen_interface]]),
  );
  assert.deepEqual(modes, {
    ep_1: ["0.0.0.0", "0.0.0.0"],
    ep_2: ["eth0", "eth0"],
    ep_3: ["0.0.0.0", "0.0.0.0"],
  });
});

Deno.test("endpointReports() shows how to reach a wildcard, by name if names below it resolve", () => {
  const reason = (scheme: Endpoint["scheme"], asksDns: boolean, port = 80) =>
    reportsOf({
      outcomes: [outcome({ scheme, hostname: "*.apps.x", wildcard: true }, { localPort: port })],
      asksDns,
    })[0]!.reason;
  assert.match(reason("http", false), /curl -H "Host: name\.apps\.x" http:\/\/127\.107\.0\.2:80\//);
  assert.match(reason("tls", false), /use SNI: curl --connect-to/);
  assert.equal(reason("tcp", false), "");
  assert.equal(reason("http", true), "use any name below it: curl http://name.apps.x/");
  assert.equal(reason("http", true, 3000), "use any name below it: curl http://name.apps.x:3000/");
  assert.equal(reason("tls", true, 443), "use any name below it: curl https://name.apps.x/");
  assert.equal(reason("tcp", true, 5432), "use any name below it: nc name.apps.x 5432");
});

Deno.test("endpointReports() gives the reason why a name does not resolve on this machine", () => {
  const [row, exact] = reportsOf({
    outcomes: [
      outcome({ scheme: "http", hostname: "*.apps.x", wildcard: true }, {}),
      outcome({ id: "ep_b", hostname: "b.x" }, {}),
    ],
    asksDns: true,
    unresolved: new Map([["*.apps.x", "no room"], ["b.x", "no room"]]),
  });
  assert.match(row!.reason, /^does not resolve on this machine: no room; use the Host header: curl -H/);
  assert.equal(exact!.reason, "", "the hosts file has the name");
});

Deno.test("endpointReports() includes failed and refused endpoints, sorted by name, port and id", () => {
  const rows = reportsOf({
    outcomes: [
      outcome({ id: "ep_c", hostname: "b.x" }, {}),
      outcome({ id: "ep_b", hostname: "a.x" }, undefined, "no address"),
    ],
    refused: [{ id: "ep_a", url: "ftp://x", reason: "the scheme" }],
  });
  assert.deepEqual(rows.map(({ id, state, reason }) => [id, state, reason]), [
    ["ep_a", "refused", "the scheme"],
    ["ep_b", "failed", "no address"],
    ["ep_c", "active", ""],
  ]);
});

Deno.test("endpointReports() leaves usage out of the reasons of status (R108)", () => {
  const outcomes = [outcome({ hostname: "*.apps.x", wildcard: true }, {})];
  const [row] = reportsOf({ outcomes, showUsage: false, failureOf: () => "offline" });
  assert.equal(row!.reason, "offline");
});

Deno.test("endpointHealth() calls an endpoint with a listener active, although it is failing", () => {
  const reports = reportsOf({
    outcomes: [outcome({}, {}), outcome({ id: "ep_2", hostname: "b.x" }, undefined, "no address")],
    failureOf: () => "offline",
  });
  const health = endpointHealth(reports, () => IDLE);
  assert.deepEqual([health["ep_1"]!.active, health["ep_2"]!.active], [true, false]);
});

Deno.test("endpointHealth() leaves refused endpoints out and writes Go's zero time for never", () => {
  const reports = reportsOf({
    outcomes: [outcome({}, {})],
    refused: [{ id: "ep_r", url: "ftp://x", reason: "the scheme" }],
  });
  assert.deepEqual(endpointHealth(reports, () => ({ ...IDLE, errors: 4 })), {
    ep_1: {
      name: "ep_1",
      local_address: "127.107.0.2:80",
      target_uri: "http://api.myapp",
      active: true,
      connections: 0,
      total_connections: 0,
      last_activity: "0001-01-01T00:00:00Z",
      errors: 4,
    },
  });
});
