import assert from "node:assert/strict";
import { formatCidr, parseCidr } from "../../src/lib/ipv4.ts";
import { driverOn, FakeIp } from "./fake_ip.ts";

const SUBNET = parseCidr("10.107.0.0/16")!;
const LOCAL = parseCidr("127.107.0.0/16")!;

Deno.test("chooseAddressDriver() prepares the wanted subnet on Linux, loopback addresses elsewhere", async () => {
  const ip = new FakeIp();
  const linux = driverOn(ip);
  assert.deepEqual(await linux.prepare(SUBNET), { subnet: SUBNET });
  assert.deepEqual([linux.kind, linux.linkKind, linux.supported()], ["linux_ip", "dummy", {
    supported: true,
  }]);
  assert.deepEqual(await linux.ensure(["10.107.0.2"]), new Map());
  assert.equal(await linux.findProblem(), undefined);

  const windows = driverOn(new FakeIp(), "windows");
  assert.deepEqual([(await windows.prepare(SUBNET)).subnet, windows.kind], [LOCAL, "loopback"]);
});

Deno.test("WithFallback uses loopback addresses if no interface can be created", async () => {
  const ip = new FakeIp();
  ip.refuse(/ add /, "RTNETLINK answers: Operation not permitted");
  const driver = driverOn(ip);
  const { subnet, reason, remember, failure } = await driver.prepare(SUBNET);
  assert.deepEqual([subnet, driver.kind, driver.linkKind], [LOCAL, "loopback", undefined]);
  assert.match(reason!, /^Failed to create virtual network interface: dummy: RTNETLINK .* NET_ADMIN/);
  assert.match(reason!, /; 127\.107\.0\.0\/16 is used instead of 10\.107\.0\.0\/16/);
  assert.deepEqual([remember, failure], [undefined, undefined]);
  assert.deepEqual(await driver.ensure(["127.107.0.2"]), new Map());
});

Deno.test("WithFallback keeps a driver that worked when it fails later, so that the addresses stay", async () => {
  const ip = new FakeIp();
  const driver = driverOn(ip);
  await driver.prepare(SUBNET);
  ip.setDown("ngrokd0");
  ip.refuse(/ /, "RTNETLINK answers: Operation not permitted");
  const { subnet, failure } = await driver.prepare(SUBNET);
  assert.deepEqual([formatCidr(subnet), driver.kind], ["10.107.0.0/16", "linux_ip"]);
  assert.match(failure!, /Operation not permitted/);
});

Deno.test("WithFallback creates no interface for a subnet of 127.0.0.0/8, and removes an earlier one", async () => {
  const ip = new FakeIp();
  const driver = driverOn(ip);
  assert.deepEqual(await driver.prepare(LOCAL), { subnet: LOCAL });
  assert.deepEqual([driver.kind, ip.changes], ["loopback", []]);
  await driver.prepare(SUBNET);
  assert.ok(ip.links.has("ngrokd0"));
  assert.deepEqual(await driver.prepare(LOCAL), { subnet: LOCAL });
  assert.ok(!ip.links.has("ngrokd0"));
  await driver.prepare(SUBNET);
  await driver.release();
  assert.deepEqual([...ip.links.keys()], ["lo"]);
});
