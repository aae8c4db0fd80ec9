import assert from "node:assert/strict";
import { chooseUpstreams, type UpstreamSources } from "../../src/dns/choose_upstreams.ts";
import type { Capability } from "../../src/system/permissions.ts";

function choose(sources: Partial<UpstreamSources>) {
  return chooseUpstreams({
    ...{ configured: [], resolvConf: "", uplink: "", own: ["10.107.0.1:53"], holds: () => true },
    ...sources,
  });
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
    from: "/etc/resolv.conf",
  });
});

Deno.test("chooseUpstreams() returns IPv6 servers in one spelling, with their zone (R94)", () => {
  const resolvConf = [
    ...["fe80::1%eth0", "fe80::2", "2001:DB8:0:0::53", "::1", "::ffff:192.168.1.1", "192.168.1.1"],
    ...["2001:db8::53", "fe80::1%eth0%1", "fe80::1%a/b", "2001:db8::/32", "[2001:db8::1]", "dns.lan"],
  ].map((address) => `nameserver ${address}\n`).join("");
  assert.deepEqual(choose({ resolvConf }).servers, [
    "[fe80::1%eth0]:53",
    "[2001:db8::53]:53",
    "[::1]:53",
    "192.168.1.1:53",
  ]);
});

Deno.test("chooseUpstreams() never returns our own server, also as an IPv4-mapped address", () => {
  const { servers, problem } = choose({ resolvConf: "nameserver ::ffff:10.107.0.1\n" });
  assert.deepEqual([servers, problem], [[], "/etc/resolv.conf names this server only"]);
});

Deno.test("chooseUpstreams() leaves out IPv6 servers that the permission set does not include", () => {
  const asked: string[] = [];
  const holds = (capability: Capability) => {
    const { host } = capability as { host: string };
    asked.push(host);
    return host !== "[fe80::1]:53";
  };
  const resolvConf = "nameserver fe80::1%eth0\nnameserver 2001:db8::1\n";
  const some = choose({ resolvConf, holds });
  assert.deepEqual(some.servers, ["[2001:db8::1]:53"]);
  // It was left out in silence.
  assert.equal(some.leftOut, "the permission set does not include [fe80::1%eth0]:53");
  assert.match(some.hint!, /: ngrokd run$/);
  assert.deepEqual(asked, ["[fe80::1]:53", "[2001:db8::1]:53", "[::]:0"]);
  const { servers, problem, hint } = choose({ resolvConf: "nameserver fe80::1%eth0\n", holds });
  assert.deepEqual([servers, problem], [[], "the permission set does not include [fe80::1%eth0]:53"]);
  assert.match(hint!, /: ngrokd run$/);
});

// Other names went to 8.8.8.8, which nobody had asked for.
Deno.test("chooseUpstreams() returns no public server that nobody has named (R94)", () => {
  const stub = "/etc/resolv.conf names systemd-resolved only, and /run/systemd/resolve/resolv.conf";
  for (
    const [resolvConf, uplink, expected] of [
      ["", "", "/etc/resolv.conf names no DNS server"],
      ["search lan\n", "", "/etc/resolv.conf names no DNS server"],
      [undefined, "", "/etc/resolv.conf cannot be read"],
      ["nameserver dns.lan\n", "", "/etc/resolv.conf names no valid address of a DNS server"],
      ["nameserver 127.0.0.53\n", undefined, `${stub} cannot be read`],
      ["nameserver 127.0.0.53\n", "search lan\n", `${stub} names no DNS server`],
      ["nameserver fe80::1\n", "", "a link-local DNS server needs its interface: fe80::1"],
      ["nameserver 10.107.0.1\n", "", "/etc/resolv.conf names this server only"],
    ] as const
  ) {
    const { servers, problem, hint } = choose({ resolvConf, uplink });
    assert.deepEqual([servers, problem], [[], expected], resolvConf);
    assert.match(hint!, /[Ss]et dns\.upstream: ngrokctl config edit$/);
  }
});

Deno.test("chooseUpstreams() never returns our own server", () => {
  const own = ["10.107.0.1:53", "192.168.1.5:53"];
  const resolvConf =
    "# ngrokd managed - do not edit this line\nnameserver 192.168.1.5\nnameserver 192.168.1.5\nnameserver 192.168.1.1\n";
  assert.deepEqual(choose({ own, resolvConf }).servers, ["192.168.1.1:53"]);
  assert.deepEqual(choose({ own, configured: ["10.107.0.1:53", "9.9.9.9:53"] }).servers, ["9.9.9.9:53"]);
  assert.deepEqual(choose({ own, resolvConf: "nameserver 10.107.0.1\n" }).servers, []);
  // The same address with another port is another server.
  assert.deepEqual(choose({ own: ["127.0.0.1:5300"], resolvConf: "nameserver 127.0.0.1\n" }).servers, [
    "127.0.0.1:53",
  ]);
});

Deno.test("chooseUpstreams() replaces systemd-resolved by its upstream servers", () => {
  const uplink = "# Do not edit.\nnameserver 10.107.0.1\nnameserver 192.168.1.1\nnameserver 127.0.0.53\n";
  const resolvConf = "nameserver 127.0.0.53\noptions edns0 trust-ad\n";
  assert.deepEqual(choose({ resolvConf, uplink }), { servers: ["192.168.1.1:53"], from: "/etc/resolv.conf" });
  assert.deepEqual(choose({ resolvConf, uplink: "" }).servers, []);
  assert.deepEqual(choose({ resolvConf: `nameserver 9.9.9.9\n${resolvConf}`, uplink }).servers, [
    "9.9.9.9:53",
    "192.168.1.1:53",
  ]);
});

Deno.test("chooseUpstreams() does not replace configured servers, even if none is left", () => {
  assert.deepEqual(choose({ configured: ["10.107.0.1:53"], resolvConf: "nameserver 192.168.1.1\n" }), {
    servers: [],
    from: "dns.upstream",
    problem: "dns.upstream names this server only",
    hint: "Set dns.upstream: ngrokctl config edit",
  });
});
