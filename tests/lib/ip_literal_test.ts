import assert from "node:assert/strict";
import { ipLiteral } from "../../src/lib/ip_literal.ts";

Deno.test("ipLiteral() returns an address in one spelling, and nothing for a name", () => {
  const addresses = {
    "10.107.0.2": "10.107.0.2",
    "[::1]": "::1",
    "[0:0:0:0:0:0:0:1]": "::1",
    "[::ffff:10.107.0.2]": "10.107.0.2",
    "[::ffff:a6b:2]": "10.107.0.2",
    "[fe80::A]": "fe80::a",
  };
  for (const [host, address] of Object.entries(addresses)) assert.equal(ipLiteral(host), address, host);
  // Names to a resolver, or not hosts at all.
  for (
    const host of ["", "localhost", "::1", "127.1", "2130706433", "0x7f.0.0.1", "10.0.0.2.nip.io", "[::"]
  ) {
    assert.equal(ipLiteral(host), undefined, host);
  }
});
