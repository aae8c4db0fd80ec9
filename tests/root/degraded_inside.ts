// Run by linux_ip_test.ts in namespaces of its own, where `ip` fails for the reason in REASON.
import assert from "node:assert/strict";
import { formatCidr, parseCidr } from "../../src/lib/ipv4.ts";
import { chooseAddressDriver } from "../../src/network/select.ts";
import { run } from "../../src/system/run.ts";
import { listenTcp } from "../../src/system/tcp.ts";

Deno.test("the driver reports why it has no interface, leaves none, and uses loopback addresses", async () => {
  const driver = chooseAddressDriver({ os: "linux", listen: listenTcp, run, interfaceName: "ngrokd0" });
  const started = performance.now();
  const { subnet, reason, failure } = await driver.prepare(parseCidr("10.107.0.0/16")!);
  assert.ok(performance.now() - started < 15_000, "it does not wait forever");
  assert.deepEqual([driver.kind, formatCidr(subnet), failure], ["loopback", "127.107.0.0/16", undefined]);
  assert.match(reason!, /^Failed to create virtual network interface: /);
  assert.ok(reason!.includes(Deno.env.get("REASON")!), reason);
  assert.deepEqual(Deno.networkInterfaces().filter(({ name }) => name === "ngrokd0"), []);
  listenTcp({ address: "127.107.0.2", port: 0 }).close();
  await driver.release();
});
