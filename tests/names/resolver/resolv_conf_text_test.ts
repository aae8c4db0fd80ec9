import assert from "node:assert/strict";
import fc from "fast-check";
import { isStub, readNameservers, replaceServer } from "../../../src/names/resolver/resolv_conf_text.ts";

const MARKER = "# ngrokd managed - do not edit this line";

Deno.test("replaceServer() puts two lines before all others and takes exactly them away again", () => {
  const text = "# made by dhclient\nsearch lan\nnameserver 192.168.1.1";
  const ours = replaceServer(text, "10.107.0.1");
  assert.equal(ours, `${MARKER}\nnameserver 10.107.0.1\n${text}`);
  assert.equal(replaceServer(ours, "10.107.0.9"), `${MARKER}\nnameserver 10.107.0.9\n${text}`);
  assert.equal(replaceServer(ours, undefined), text);
});

Deno.test("replaceServer() restores any bytes when it removes our server", () => {
  const line = fc.oneof(
    fc.string({ unit: "binary-ascii" }),
    fc.constantFrom(
      "nameserver 1.1.1.1\n",
      "\n",
      "\r\n",
      "#",
      "\u00e9\n",
      "nameserver\t::1 # x\n",
      "; ngrokd managed",
    ),
  );
  fc.assert(
    fc.property(fc.array(line).map((lines) => lines.join("")), (text) => {
      fc.pre(!text.includes(MARKER));
      assert.equal(replaceServer(replaceServer(text, "10.0.0.1"), undefined), text);
    }),
    { seed: 4, numRuns: 500 },
  );
});

Deno.test("replaceServer() removes our lines at any place, incomplete ones and copies too", () => {
  const pair = `${MARKER}\nnameserver 10.107.0.1\n`;
  for (
    const [text, rest] of [
      [`search lan\n${pair}nameserver 1.1.1.1\n`, "search lan\nnameserver 1.1.1.1\n"],
      [`${pair}${pair}search lan\n`, "search lan\n"],
      [`${MARKER}\nsearch lan\n`, "search lan\n"],
      [`${MARKER}\r\nnameserver 10.107.0.1\r\nsearch lan\r\n`, "search lan\r\n"],
      [`search lan\n${MARKER}\nnameserver 10.107.0.1`, "search lan\n"],
      [`${MARKER}`, ""],
    ] as const
  ) assert.equal(replaceServer(text, undefined), rest);
});

Deno.test("replaceServer() keeps a comment that only mentions our marker", () => {
  for (const text of [`# see ${MARKER}\nnameserver 1.1.1.1\n`, `${MARKER} please\nnameserver 1.1.1.1\n`]) {
    assert.equal(replaceServer(text, undefined), text);
  }
});

Deno.test("readNameservers() returns the addresses in order, without ours and comments", () => {
  const text = replaceServer(
    "# nameserver 9.9.9.9\n;nameserver 9.9.9.9\nsearch nameserver\nnameserver 192.168.1.1\nnameserver\t8.8.4.4 # two\n" +
      "nameservers 9.9.9.9\nnameserver fe80::1%eth0\noptions edns0\nnameserver 1.0.0.1",
    "10.107.0.1",
  );
  assert.deepEqual(readNameservers(text), ["192.168.1.1", "8.8.4.4", "fe80::1%eth0", "1.0.0.1"]);
});

Deno.test("isStub() is true for both addresses of systemd-resolved", () => {
  assert.deepEqual(["127.0.0.53", "127.0.0.54", "127.0.0.1"].map(isStub), [true, true, false]);
});
