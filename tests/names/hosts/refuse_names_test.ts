import assert from "node:assert/strict";
import { refuseHijack, refuseHostsLine } from "../../../src/names/hosts/refuse_names.ts";

const RESERVED = {
  machine: ["box.corp.example"],
  cloud: ["api.ngrok.com", "kubernetes-binding-ingress.ngrok.io"],
};

Deno.test("refuseHijack() refuses the names that mean this machine", () => {
  for (
    const name of [
      "localhost",
      "api.localhost",
      "*.localhost",
      "localhost.localdomain",
      "*.localdomain",
      "localhost4",
      "localhost6.localdomain6",
      "ip6-localhost",
      "broadcasthost",
    ]
  ) {
    assert.equal(refuseHijack(name, RESERVED), `"${name}" means this machine itself`);
  }
  for (const name of ["box", "box.corp.example", "*.corp.example", "*.example"]) {
    assert.equal(refuseHijack(name, RESERVED), `"${name}" is the name of this machine`);
  }
});

Deno.test("refuseHijack() refuses the hosts that the daemon connects to, and wildcards of them (F67)", () => {
  for (
    const name of [
      "api.ngrok.com",
      "*.ngrok.com",
      "*.com",
      "kubernetes-binding-ingress.ngrok.io",
      "*.ngrok.io",
    ]
  ) {
    assert.equal(refuseHijack(name, RESERVED), `"${name}" is a name that the daemon itself connects to`);
  }
});

Deno.test("refuseHijack() allows every other name", () => {
  for (
    const name of [
      "api.myapp",
      "localhost.example",
      "notlocalhost",
      "api2.ngrok.com",
      "x.api.ngrok.com",
      "*.api.ngrok.com",
      "corp.example",
      "boxes",
      "*.box.corp.example",
    ]
  ) assert.equal(refuseHijack(name, RESERVED), undefined, name);
});

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
