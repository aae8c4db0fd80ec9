import assert from "node:assert/strict";
import { checkPermissions, configPermissions } from "../../src/config/permissions.ts";
import { parseConfig } from "../../src/config/schema.ts";
import { type Capability, flagFor, holds } from "../../src/system/permissions.ts";
import { fileWith } from "./sample_values.ts";

/** The capabilities of the shipped set that the defaults need. */
const SHIPPED = [
  "--allow-read=/etc/ngrokd",
  "--allow-write=/etc/ngrokd",
  "--allow-read=/run/ngrokd",
  "--allow-write=/run/ngrokd",
  "--allow-net=unix:/run/ngrokd/ngrokd.sock",
  "--allow-net=api.ngrok.com:443",
  "--allow-net=127.0.0.1:8081",
];
const QUERIES = { holds: (capability: Capability) => SHIPPED.includes(flagFor(capability)), flagFor };

Deno.test("checkPermissions() finds no problem in the defaults under the shipped set", () => {
  assert.deepEqual(checkPermissions(parseConfig({}).config, QUERIES), []);
});

/**
 * A key, a value outside the set, and the flags that it needs; then the entry, or the value as it
 * is shown.
 */
const OUTSIDE: readonly (readonly [
  name: string,
  raw: unknown,
  flags: string,
  shown?: { path?: string; value?: string },
])[] = [
  ["api.url", "http://localhost:8080/v1", "--allow-net=localhost:8080"],
  ["api.url", "https://a.example", "--allow-net=a.example:443"],
  ["api.url", "http://127.0.0.1", "--allow-net=127.0.0.1:80"],
  ["api.url", "https://a.example:1/x", "--allow-net=a.example:1"],
  ["ingressEndpoint", "ingress.example:8443", "--allow-net=ingress.example:8443"],
  [
    "proxy_url",
    "http://user:topsecret@proxy.example:3128",
    "--allow-net=proxy.example:3128",
    { value: "http://proxy.example:3128" },
  ],
  [
    "server.socket_path",
    "/srv/run/s.sock",
    "--allow-read=/srv/run --allow-write=/srv/run --allow-net=unix:/srv/run/s.sock",
  ],
  ["server.client_cert", "/srv/state/tls.crt", "--allow-read=/srv/state --allow-write=/srv/state"],
  ["server.client_key", "/srv/state/tls.key", "--allow-read=/srv/state --allow-write=/srv/state"],
  ["server.health_address", "0.0.0.0", "--allow-net=0.0.0.0:8081"],
  ["server.ingress_ca", "/srv/ca.pem", "--allow-read=/srv/ca.pem"],
  ["net.listen_interface", "10.1.2.3", "--allow-net=10.1.2.3"],
  [
    "net.overrides",
    { "a.example": "0.0.0.0", "b.example": "virtual", "c.example": "eth0" },
    "--allow-net=0.0.0.0",
    { path: "net.overrides.a.example", value: "0.0.0.0" },
  ],
  ["dns.listen", "10.1.2.4:5353", "--allow-net=10.1.2.4"],
  ["dns.upstream", ["9.9.9.9"], "--allow-net=9.9.9.9:53", { value: "9.9.9.9:53" }],
  ["dns.upstream", ["fe80::1%eth0"], "--allow-net=[fe80::1]:53 --allow-net=[::]:0", {
    value: "[fe80::1%eth0]:53",
  }],
];

for (const [name, raw, flags, { path = name, value = String(raw) } = {}] of OUTSIDE) {
  Deno.test(`checkPermissions() names the flags for ${name}: ${value}`, () => {
    assert.deepEqual(checkPermissions(parseConfig(fileWith([[name, raw]])).config, QUERIES), [{
      path,
      message: `the permission set does not allow "${value}"`,
      suggestion: `Start ngrokd by its launcher, which adds ${flags}: ngrokd launch`,
    }]);
  });
}

Deno.test("checkPermissions() reports every value that is outside the set", () => {
  const { config } = parseConfig({
    server: { health_address: "0.0.0.0", health_port: 9000, ingress_ca: "/srv/ca.pem" },
    dns: { upstream: ["9.9.9.9", "9.9.9.10"] },
  });
  assert.deepEqual(checkPermissions(config, QUERIES).map(({ path, suggestion }) => [path, suggestion]), [
    [
      "server.health_address",
      "Start ngrokd by its launcher, which adds --allow-net=0.0.0.0:9000: ngrokd launch",
    ],
    ["server.ingress_ca", "Start ngrokd by its launcher, which adds --allow-read=/srv/ca.pem: ngrokd launch"],
    [
      "dns.upstream",
      "Start ngrokd by its launcher, which adds --allow-net=9.9.9.9:53 --allow-net=9.9.9.10:53: ngrokd launch",
    ],
  ]);
});

Deno.test("configPermissions() gives only capabilities that Deno can answer for", () => {
  const { config } = parseConfig({
    api: { url: "http://[::1]:8080" },
    ingressEndpoint: "a.example",
    server: { client_cert: "tls.crt", ingress_ca: "/ca.pem", socket_path: "/a b/s.sock" },
    net: { listen_interface: "0.0.0.0" },
  });
  for (const { capability } of configPermissions(config)) assert.equal(typeof holds(capability), "boolean");
});
