import assert from "node:assert/strict";
import { type Area, diffConfig } from "../../src/config/diff.ts";
import { parseConfig } from "../../src/config/schema.ts";

/** Every key, a value that is not its default, and what it touches. */
const KEYS: readonly (readonly [path: string, value: unknown, touches: Area | "restart"])[] = [
  ["api.url", "https://a.example", "api"],
  ["api.key", "k", "api"],
  ["ingressEndpoint", "a.example", "ingress"],
  ["proxy_url", "http://a.example", "api"],
  ["server.log_level", "debug", "log"],
  ["server.log_format", "json", "log"],
  ["server.socket_path", "/a.sock", "restart"],
  ["server.client_cert", "/a.crt", "restart"],
  ["server.client_key", "/a.key", "restart"],
  ["server.cert_refresh_interval", 1, "identity"],
  ["server.health_address", "10.0.0.1", "health"],
  ["server.health_port", 1, "health"],
  ["server.ingress_ca", "/a.pem", "ingress"],
  ["bound_endpoints.poll_interval", 1, "poll"],
  ["bound_endpoints.selectors", ["false"], "operator"],
  ["net.interface_name", "a", "restart"],
  ["net.subnet", "10.0.0.0/8", "endpoints"],
  ["net.listen_interface", "0.0.0.0", "endpoints"],
  ["net.start_port", 1, "endpoints"],
  ["net.overrides", { "a.example": "virtual" }, "endpoints"],
  ["net.allow_cidrs", ["192.0.2.0/24"], "endpoints"],
  ["net.advertise_ip", "192.0.2.1", "endpoints"],
  ["dns.enabled", true, "dns"],
  ["dns.listen", ":53", "dns"],
  ["dns.manage_resolv_conf", false, "dns"],
  ["dns.upstream", ["1.1.1.1"], "dns"],
];

function configWith(path: string, value: unknown) {
  const [section, key] = path.split(".") as [string, string?];
  return parseConfig({ [section]: key === undefined ? value : { [key]: value } }).config;
}

for (const [path, value, touches] of KEYS) {
  Deno.test(`diffConfig() sees a change of ${path} and what it touches`, () => {
    const expected = touches === "restart"
      ? { paths: [path], areas: new Set(), needsRestart: [path] }
      : { paths: [path], areas: new Set([touches]), needsRestart: [] };
    const plain = parseConfig({}).config;
    assert.deepEqual(diffConfig(plain, configWith(path, value)), expected);
    assert.deepEqual(diffConfig(configWith(path, value), plain), expected);
    assert.deepEqual(diffConfig(configWith(path, value), configWith(path, value)).paths, []);
  });
}

Deno.test("diffConfig() knows every key that parseConfig() knows", () => {
  const { warnings } = parseConfig(Object.fromEntries(KEYS.map(([path]) => [path.split(".")[0]!, null])));
  assert.deepEqual(warnings, []);
  const leaves = Object.values(parseConfig({}).config).flatMap((part) =>
    part === undefined ? [part] : Object.keys(part)
  );
  assert.equal(KEYS.length, leaves.length);
});

Deno.test("diffConfig() takes overrides in another order for the same", () => {
  const a = parseConfig({ net: { overrides: { "a.example": "virtual", "b.example": "0.0.0.0" } } }).config;
  const b = parseConfig({ net: { overrides: { "b.example": "0.0.0.0", "a.example": "virtual" } } }).config;
  assert.deepEqual(diffConfig(a, b).paths, []);
});
