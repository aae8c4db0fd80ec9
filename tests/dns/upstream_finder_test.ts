import assert from "node:assert/strict";
import { UPLINK } from "../../src/dns/choose_upstreams.ts";
import { UpstreamFinder } from "../../src/dns/upstream_finder.ts";
import { FileError } from "../../src/model/errors.ts";
import { RESOLV_CONF } from "../../src/names/select.ts";
import { captureLog } from "../fakes/captured_log.ts";

Deno.test("UpstreamFinder logs a file that it cannot read once, and again after it was readable", async () => {
  await using logged = await captureLog();
  const unreadable = new Set<string>();
  const finder = new UpstreamFinder({
    holds: () => true,
    files: {
      readTextIfAny(path) {
        if (!unreadable.has(path)) return Promise.resolve("nameserver 192.168.1.1\n");
        return Promise.reject(
          new FileError(`Cannot read ${path}: permission denied`, { path, reason: "denied" }),
        );
      },
    },
  });
  const find = () => finder.find({ configured: [], own: [] });
  const expected: string[] = [];
  for (const path of [RESOLV_CONF, RESOLV_CONF, UPLINK]) {
    unreadable.add(path);
    for (let round = 0; round < 3; round++) await find();
    expected.push(`Cannot find the DNS servers of this machine: Cannot read ${path}: permission denied`);
    if (path === RESOLV_CONF) {
      expected.push("Cannot forward other DNS queries: /etc/resolv.conf cannot be read");
    }
    assert.deepEqual(logged.lines("warning"), expected);
    unreadable.clear();
    assert.deepEqual((await find()).servers, ["192.168.1.1:53"]);
  }
  unreadable.add(RESOLV_CONF);
  assert.equal((await find()).problem, "/etc/resolv.conf cannot be read");
});

Deno.test("UpstreamFinder logs servers once that the permission set does not include", async () => {
  await using logged = await captureLog();
  const finder = new UpstreamFinder({
    holds: (capability) => capability.kind === "net" && capability.host === "192.168.1.1:53",
    files: { readTextIfAny: () => Promise.resolve("nameserver 192.168.1.1\nnameserver 2001:db8::1\n") },
  });
  for (let round = 0; round < 2; round++) {
    const { servers } = await finder.find({ configured: [], own: [] });
    assert.deepEqual(servers, ["192.168.1.1:53"]);
  }
  assert.deepEqual(logged.lines("warning"), [
    "Cannot use some of the DNS servers: the permission set does not include [2001:db8::1]:53",
  ]);
});
