import assert from "node:assert/strict";
import { operatorIngress } from "../../src/cloud/operator_ingress.ts";

const NAMES = new Set(["connect.ngrok-endpoints.com:443", "localhost:7443"]);

const CLOUD = "https://api.ngrok.com";

function use(endpoint: string | undefined, { asked = [] as string[], apiUrl = CLOUD } = {}) {
  return operatorIngress(endpoint, {
    apiUrl,
    holds(capability) {
      assert.ok(capability.kind === "net");
      asked.push(capability.host);
      return NAMES.has(capability.host) || /^[0-9.]+:[0-9]+$/.test(capability.host);
    },
  });
}

Deno.test("operatorIngress() returns a name that the permission set includes, in any spelling", () => {
  const target = { hostname: "connect.ngrok-endpoints.com", port: 443 };
  for (
    const text of [
      "connect.ngrok-endpoints.com",
      "Connect.ngrok-Endpoints.com.:443",
      "connect.ngrok-endpoints.com:00443",
    ]
  ) {
    assert.deepEqual(use(text), target, text);
  }
});

// The daemon connected to itself, again and again.
Deno.test("operatorIngress() returns localhost only if the API is on this machine too (F41)", () => {
  const target = { hostname: "localhost", port: 7443 };
  for (const apiUrl of ["http://127.0.0.1:4000/v1", "https://LOCALHOST:4000", "http://[::1]:4000"]) {
    assert.deepEqual(use("localhost:7443", { apiUrl }), target, apiUrl);
  }
  for (const apiUrl of [CLOUD, "https://10.0.0.1", "https://localhost.example", "https://127.example"]) {
    for (const text of ["localhost:7443", "LocalHost.:7443", "ingress.localhost:7443"]) {
      const asked: string[] = [];
      assert.equal(use(text, { apiUrl, asked }), undefined, `${text} by ${apiUrl}`);
      assert.deepEqual(asked, []);
    }
  }
});

Deno.test("operatorIngress() refuses other hosts, addresses and texts of another form (F41)", () => {
  const hostile = [
    undefined,
    "",
    ":443",
    "other.example:443",
    "connect.ngrok-endpoints.com:8443",
    "127.107.0.2:443",
    "0.0.0.0:443",
    "0x7f000001:443",
    "2130706433:443",
    "[::1]:443",
    "connect.ngrok-endpoints.com:0",
    "connect.ngrok-endpoints.com:65536",
    "connect.ngrok-endpoints.com:443\n",
    "connect.ngrok-endpoints.com\n:443",
    "connect.ngrok-endpoints.com\0.evil:443",
    "\x1b[2Jconnect.ngrok-endpoints.com:443",
    "connect.ngrok-endpoints.com:443/x",
    "user@connect.ngrok-endpoints.com:443",
    "https://connect.ngrok-endpoints.com:443",
    "*.ngrok-endpoints.com:443",
    "connect.ngrok-endpoints.com:443:443",
    "a".repeat(1 << 20),
  ];
  const asked: string[] = [];
  for (const text of hostile) assert.equal(use(text, { asked }), undefined, text?.slice(0, 100));
  for (const host of asked) assert.match(host, /^[a-z0-9.-]{1,253}:[0-9]{1,5}$/);
});
