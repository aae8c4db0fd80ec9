import assert from "node:assert/strict";
import { checkPermissions, configPermissions } from "../../src/config/permissions.ts";
import { parseConfig } from "../../src/config/schema.ts";
import { type Capability, flagFor, holds } from "../../src/system/permissions.ts";

/** A permission set in the words of deno.json, as far as these tests need it. */
function setOf(flags: readonly string[]): (capability: Capability) => boolean {
  return (capability) => flags.some((flag) => flag === flagFor(capability));
}

const SHIPPED = setOf([
  "--allow-read=/etc/ngrokd",
  "--allow-write=/etc/ngrokd",
  "--allow-read=/run/ngrokd",
  "--allow-write=/run/ngrokd",
  "--allow-net=unix:/run/ngrokd/ngrokd.sock",
  "--allow-net=api.ngrok.com:443",
  "--allow-net=127.0.0.1:8081",
]);

Deno.test("checkPermissions() finds nothing in the defaults under the shipped set", () => {
  assert.deepEqual(checkPermissions(parseConfig({}).config, { holds: SHIPPED, flagFor }), []);
});

Deno.test("checkPermissions() names key, value and all flags of each value outside the set", () => {
  const { config } = parseConfig({
    api: { url: "http://localhost:8080/v1" },
    ingressEndpoint: "ingress.example:8443",
    server: {
      client_cert: "/srv/state/tls.crt",
      socket_path: "/srv/run/s.sock",
      ingress_ca: "/srv/ca.pem",
      health_address: "0.0.0.0",
      health_port: 9000,
    },
    net: {
      listen_interface: "10.1.2.3",
      overrides: { "a.example": "0.0.0.0", "b.example": "virtual", "c.example": "eth0" },
    },
    dns: { listen: "10.1.2.4:5353", upstream: ["9.9.9.9"] },
  });
  const outside = (value: string) => `the permission set does not allow "${value}"`;
  assert.deepEqual(checkPermissions(config, { holds: SHIPPED, flagFor }), [
    {
      path: "server.client_cert",
      message: outside("/srv/state/tls.crt"),
      suggestion:
        `It takes --allow-read=/srv/state --allow-write=/srv/state: start ngrokd by "deno task launch", which adds that to the set`,
    },
    {
      path: "server.socket_path",
      message: outside("/srv/run/s.sock"),
      suggestion:
        `It takes --allow-read=/srv/run --allow-write=/srv/run --allow-net=unix:/srv/run/s.sock: start ngrokd by "deno task launch", which adds that to the set`,
    },
    {
      path: "api.url",
      message: outside("http://localhost:8080/v1"),
      suggestion:
        `It takes --allow-net=localhost:8080: start ngrokd by "deno task launch", which adds that to the set`,
    },
    {
      path: "server.health_address",
      message: outside("0.0.0.0"),
      suggestion:
        `It takes --allow-net=0.0.0.0:9000: start ngrokd by "deno task launch", which adds that to the set`,
    },
    {
      path: "server.ingress_ca",
      message: outside("/srv/ca.pem"),
      suggestion:
        `It takes --allow-read=/srv/ca.pem: start ngrokd by "deno task launch", which adds that to the set`,
    },
    {
      path: "ingressEndpoint",
      message: outside("ingress.example:8443"),
      suggestion:
        `It takes --allow-net=ingress.example:8443: start ngrokd by "deno task launch", which adds that to the set`,
    },
    {
      path: "net.listen_interface",
      message: outside("10.1.2.3"),
      suggestion:
        `It takes --allow-net=10.1.2.3: start ngrokd by "deno task launch", which adds that to the set`,
    },
    {
      path: "net.overrides.a.example",
      message: outside("0.0.0.0"),
      suggestion:
        `It takes --allow-net=0.0.0.0: start ngrokd by "deno task launch", which adds that to the set`,
    },
    {
      path: "dns.listen",
      message: outside("10.1.2.4:5353"),
      suggestion:
        `It takes --allow-net=10.1.2.4: start ngrokd by "deno task launch", which adds that to the set`,
    },
    {
      path: "dns.upstream",
      message: outside("9.9.9.9:53"),
      suggestion:
        `It takes --allow-net=9.9.9.9:53: start ngrokd by "deno task launch", which adds that to the set`,
    },
  ]);
});

Deno.test("configPermissions() asks for the port that a URL implies", () => {
  for (
    const [url, host] of [["https://a.example", "a.example:443"], ["http://127.0.0.1", "127.0.0.1:80"], [
      "https://a.example:1/x",
      "a.example:1",
    ]]
  ) {
    const needed = configPermissions(parseConfig({ api: { url } }).config).find(({ path }) =>
      path === "api.url"
    );
    assert.deepEqual(needed?.capability, { kind: "net", host });
  }
});

Deno.test("configPermissions() asks nothing that Deno cannot answer", () => {
  const { config } = parseConfig({
    api: { url: "http://[::1]:8080" },
    ingressEndpoint: "a.example",
    server: { client_cert: "tls.crt", ingress_ca: "/ca.pem", socket_path: "/a b/s.sock" },
    net: { listen_interface: "0.0.0.0" },
  });
  for (const { capability } of configPermissions(config)) assert.equal(typeof holds(capability), "boolean");
});

Deno.test("checkPermissions() names proxy_url without its password", () => {
  const { config } = parseConfig({ proxy_url: "http://user:topsecret@proxy.example:3128" });
  assert.deepEqual(checkPermissions(config, { holds: SHIPPED, flagFor }), [{
    path: "proxy_url",
    message: 'the permission set does not allow "http://proxy.example:3128"',
    suggestion:
      'It takes --allow-net=proxy.example:3128: start ngrokd by "deno task launch", which adds that to the set',
  }]);
});
