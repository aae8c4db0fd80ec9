import assert from "node:assert/strict";
import { renderList } from "../../src/cli/render_list.ts";
import { ENDPOINT } from "./reports.ts";

const TITLE = `╔═══════════════════════════════════════════════════════╗
║            Discovered Bound Endpoints                 ║
╚═══════════════════════════════════════════════════════╝

`;

Deno.test("renderList() prints the table of the Go daemon, with the reasons below the rows", () => {
  const rows = [
    ENDPOINT,
    {
      ...ENDPOINT,
      url: "tcp://db.example.com:5432",
      listen_address: "",
      listen_interface: "0.0.0.0",
      network_port: 9080,
    },
    {
      ...ENDPOINT,
      url: "http://a.b",
      listen_address: "",
      port: 80,
      state: "failed" as const,
      reason: "Cannot bind\n: x",
    },
    {
      ...ENDPOINT,
      url: "x://y",
      listen_address: "",
      ip: "",
      listen_interface: "",
      state: "refused" as const,
    },
  ];
  assert.equal(
    renderList(rows),
    `${TITLE}  URL                        LISTEN ADDRESS  MODE     STATUS
  ---                        --------------  ----     ------
  https://api.example.com    127.0.0.2:443   virtual  ✓
  tcp://db.example.com:5432  0.0.0.0:9080    0.0.0.0  ✓
  http://a.b                 127.0.0.2:80    virtual  ❌
      Cannot bind\\u000a: x
  x://y                      -               virtual  ❌

  Total: 4 endpoint(s)

`,
  );
});

Deno.test("renderList() marks a degraded endpoint and shows its reason", () => {
  const reason = "the name does not resolve; use tcp://127.0.0.2:9080";
  const text = renderList([{ ...ENDPOINT, state: "degraded", reason }]);
  assert.match(text, /virtual {2}⚠\n {6}the name does not resolve; use tcp:\/\/127\.0\.0\.2:9080\n/);
});

Deno.test("renderList() gives the next steps if there are no endpoints", () => {
  const lines = renderList([]).slice(TITLE.length).split("\n");
  assert.deepEqual(lines.slice(0, 2), ["  No endpoints discovered.", ""]);
  assert.match(lines[2] ?? "", /kubernetes/);
  assert.match(lines[3] ?? "", /ngrokctl status/);
});

Deno.test("renderList() shows control characters of a URL instead of sending them", () => {
  const text = renderList([{ ...ENDPOINT, url: "http://\x1b]0;x\x07\x9b.y" }]);
  assert.ok(text.includes("  http://\\u001b]0;x\\u0007\\u009b.y  "), text);
});
