import assert from "node:assert/strict";
import fc from "fast-check";
import {
  isStub,
  readNameservers,
  readServer,
  replaceServer,
} from "../../../src/names/resolver/resolv_conf_text.ts";

const MARK = "# ngrokd managed - do not edit this line";

Deno.test("replaceServer() puts two lines before all others and takes exactly them away again", () => {
  const text = "# made by dhclient\nsearch lan\nnameserver 192.168.1.1";
  const ours = replaceServer(text, "10.107.0.1");
  assert.equal(ours, `${MARK}\nnameserver 10.107.0.1\n${text}`);
  assert.equal(replaceServer(ours, "10.107.0.9"), `${MARK}\nnameserver 10.107.0.9\n${text}`);
  assert.equal(replaceServer(ours, undefined), text);
  assert.deepEqual([readServer(ours), readServer(text)], ["10.107.0.1", undefined]);
});

Deno.test("replaceServer() gives any bytes back as they were", () => {
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
      fc.pre(!text.includes(MARK));
      assert.equal(replaceServer(replaceServer(text, "10.0.0.1"), undefined), text);
    }),
    { seed: 4, numRuns: 500 },
  );
});

Deno.test("replaceServer() finds our lines wherever another program moved them, also alone or twice", () => {
  const pair = `${MARK}\nnameserver 10.107.0.1\n`;
  for (
    const [text, rest] of [
      [`search lan\n${pair}nameserver 1.1.1.1\n`, "search lan\nnameserver 1.1.1.1\n"],
      [`${pair}${pair}search lan\n`, "search lan\n"],
      [`${MARK}\nsearch lan\n`, "search lan\n"],
      [`${MARK}\r\nnameserver 10.107.0.1\r\nsearch lan\r\n`, "search lan\r\n"],
      [`search lan\n${MARK}\nnameserver 10.107.0.1`, "search lan\n"],
      [`${MARK}`, ""],
    ] as const
  ) assert.equal(replaceServer(text, undefined), rest);
});

Deno.test("replaceServer() leaves a comment alone that only mentions our mark", () => {
  for (const text of [`# see ${MARK}\nnameserver 1.1.1.1\n`, `${MARK} please\nnameserver 1.1.1.1\n`]) {
    assert.equal(replaceServer(text, undefined), text);
  }
});

Deno.test("readNameservers() gives the addresses in order, without ours, comments and other keywords", () => {
  const text = replaceServer(
    "# nameserver 9.9.9.9\n;nameserver 9.9.9.9\nsearch nameserver\nnameserver 192.168.1.1\nnameserver\t8.8.4.4 # two\n" +
      "nameservers 9.9.9.9\nnameserver fe80::1%eth0\noptions edns0\nnameserver 1.0.0.1",
    "10.107.0.1",
  );
  assert.deepEqual(readNameservers(text), ["192.168.1.1", "8.8.4.4", "fe80::1%eth0", "1.0.0.1"]);
});

Deno.test("isStub() knows both addresses of systemd-resolved", () => {
  assert.deepEqual(["127.0.0.53", "127.0.0.54", "127.0.0.1"].map(isStub), [true, true, false]);
});
