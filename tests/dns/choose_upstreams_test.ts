import assert from "node:assert/strict";
import { chooseUpstreams, type UpstreamSources } from "../../src/dns/choose_upstreams.ts";

function choose(sources: Partial<UpstreamSources>) {
  return chooseUpstreams({ configured: [], resolvConf: "", uplink: "", own: ["10.107.0.1:53"], ...sources });
}

Deno.test("chooseUpstreams() prefers the configured servers to those of this machine", () => {
  assert.deepEqual(choose({ configured: ["9.9.9.9:5353"], resolvConf: "nameserver 192.168.1.1\n" }), {
    servers: ["9.9.9.9:5353"],
    from: "dns.upstream",
  });
});

Deno.test("chooseUpstreams() returns the nameservers of resolv.conf in order, each once", () => {
  const resolvConf =
    "search lan\n# nameserver 9.9.9.9\nnameserver 192.168.1.1\nnameserver 8.8.4.4\nnameserver 192.168.1.1\n";
  assert.deepEqual(choose({ resolvConf }), {
    servers: ["192.168.1.1:53", "8.8.4.4:53"],
    from: "resolv.conf",
  });
});

Deno.test("chooseUpstreams() omits IPv6, which the permission set does not contain", () => {
  assert.deepEqual(choose({ resolvConf: "nameserver fe80::1%eth0\nnameserver 192.168.1.1\n" }).servers, [
    "192.168.1.1:53",
  ]);
  assert.equal(choose({ resolvConf: "nameserver ::1\n" }).from, "fallback");
});

Deno.test("chooseUpstreams() falls back to well-known servers", () => {
  const fallback = { servers: ["8.8.8.8:53", "1.1.1.1:53"], from: "fallback" };
  assert.deepEqual([choose({}), choose({ resolvConf: "search lan\n" })], [fallback, fallback]);
});

Deno.test("chooseUpstreams() never returns our own server", () => {
  const own = ["10.107.0.1:53", "192.168.1.5:53"];
  const resolvConf =
    "# ngrokd managed - do not edit this line\nnameserver 192.168.1.5\nnameserver 192.168.1.5\nnameserver 192.168.1.1\n";
  assert.deepEqual(choose({ own, resolvConf }).servers, ["192.168.1.1:53"]);
  assert.deepEqual(choose({ own, configured: ["10.107.0.1:53", "9.9.9.9:53"] }).servers, ["9.9.9.9:53"]);
  assert.equal(choose({ own, resolvConf: "nameserver 10.107.0.1\n" }).from, "fallback");
  // The same address with another port is another server.
  assert.deepEqual(choose({ own: ["127.0.0.1:5300"], resolvConf: "nameserver 127.0.0.1\n" }).servers, [
    "127.0.0.1:53",
  ]);
});

Deno.test("chooseUpstreams() replaces systemd-resolved by its upstream servers", () => {
  const uplink = "# Do not edit.\nnameserver 10.107.0.1\nnameserver 192.168.1.1\nnameserver 127.0.0.53\n";
  const resolvConf = "nameserver 127.0.0.53\noptions edns0 trust-ad\n";
  assert.deepEqual(choose({ resolvConf, uplink }), { servers: ["192.168.1.1:53"], from: "resolv.conf" });
  assert.equal(choose({ resolvConf, uplink: "" }).from, "fallback");
  assert.deepEqual(choose({ resolvConf: `nameserver 9.9.9.9\n${resolvConf}`, uplink }).servers, [
    "9.9.9.9:53",
    "192.168.1.1:53",
  ]);
});

Deno.test("chooseUpstreams() does not replace configured servers, even if none is left", () => {
  assert.deepEqual(choose({ configured: ["10.107.0.1:53"], resolvConf: "nameserver 192.168.1.1\n" }), {
    servers: [],
    from: "dns.upstream",
  });
});
