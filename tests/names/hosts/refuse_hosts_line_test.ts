import assert from "node:assert/strict";
import { refuseHostsLine } from "../../../src/names/hosts/refuse_hosts_line.ts";

Deno.test("refuseHostsLine() allows only host names and IPv4 addresses (F46)", () => {
  assert.equal(refuseHostsLine("api.my_app", "10.107.0.2"), undefined);
  assert.equal(refuseHostsLine("*.example.com", "10.107.0.2"), "a hosts file cannot hold a wildcard");
  const hostile = [
    "",
    "a\n127.0.0.1 bank.example",
    "a b",
    "a\tb",
    "a#b",
    "../etc/passwd",
    "A.example",
    "a..b",
    ".a",
    "a.",
    "-a",
    "\u0000",
    "a\u2028b",
    "\u0430.example",
    "1.2.3.4",
    "::1",
    "a".repeat(64),
    "# END ngrokd managed section",
  ];
  for (const name of hostile) {
    assert.equal(refuseHostsLine(name, "10.107.0.2"), "it is not a host name", JSON.stringify(name));
  }
  for (const address of ["", "::1", "10.0.0", "010.0.0.1", "10.0.0.1\n1.1.1.1 bank.example"]) {
    assert.match(refuseHostsLine("a.example", address) ?? "", /is not an IPv4 address$/);
  }
});
