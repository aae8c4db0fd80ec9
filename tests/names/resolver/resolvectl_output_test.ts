import assert from "node:assert/strict";
import { hasDnsScope, parseLinkValues } from "../../../src/names/resolver/resolvectl_output.ts";

Deno.test("parseLinkValues() reads the values of one link", () => {
  assert.deepEqual(parseLinkValues("Link 5 (ngrokd0): 10.107.0.1\n"), ["10.107.0.1"]);
  assert.deepEqual(parseLinkValues("Link 5 (ngrokd0): 10.107.0.1:5353 fe80::1%5\n"), [
    "10.107.0.1:5353",
    "fe80::1%5",
  ]);
  assert.deepEqual(parseLinkValues("Link 12 (br-lan.7): ~a.example lan ~.\n"), ["~a.example", "lan", "~."]);
  assert.deepEqual(parseLinkValues("Link 5 (ngrokd0):\n"), []);
  assert.deepEqual(parseLinkValues("Link 5 (ngrokd0):"), []);
});

Deno.test("parseLinkValues() joins the lines of a long list, which newer versions break", () => {
  const output = "Link 5 (ngrokd0): ~a.example\n        ~b.example ~c.example\n        ~d.example\n";
  assert.deepEqual(parseLinkValues(output), ["~a.example", "~b.example", "~c.example", "~d.example"]);
});

Deno.test("parseLinkValues() rejects other output", () => {
  for (
    const output of [
      "",
      "Failed to get link data: Unit dbus-org.freedesktop.resolve1.service not found.\n",
      "Global: 1.1.1.1\nLink 2 (eth0): 192.168.1.1\n",
      "Link 2 (eth0): 192.168.1.1\nLink 5 (ngrokd0): 10.107.0.1\n",
      "Link x (eth0): 1.1.1.1\n",
    ]
  ) assert.throws(() => parseLinkValues(output), SyntaxError);
});

Deno.test("hasDnsScope() finds the DNS scope in the layout of every version", () => {
  const since250 =
    "Link 5 (ngrokd0)\n    Current Scopes: DNS LLMNR/IPv4\n         Protocols: -DefaultRoute\n";
  assert.equal(hasDnsScope(since250), true);
  assert.equal(
    hasDnsScope("Link 5 (ngrokd0)\n      Current Scopes: DNS            \nDefaultRoute setting: no\n"),
    true,
  );
  assert.equal(hasDnsScope("Link 5 (ngrokd0)\nCurrent Scopes LLMNR/IPv4 DNS\n"), true);
  assert.equal(hasDnsScope(since250.replace("DNS LLMNR/IPv4", "none")), false);
  assert.equal(hasDnsScope(since250.replace("DNS LLMNR/IPv4", "mDNS/IPv4 LLMNR/IPv4")), false);
  assert.equal(hasDnsScope("Link 5 (ngrokd0)\n  DNS Servers: DNS\n"), false);
});
