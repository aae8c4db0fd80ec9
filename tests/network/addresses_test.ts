import assert from "node:assert/strict";
import { Addresses } from "../../src/network/addresses.ts";
import { SubnetMemory } from "../../src/network/subnet_memory.ts";
import { formatCidr, parseCidr } from "../../src/lib/ipv4.ts";
import { LinuxIp } from "../../src/network/linux_ip.ts";
import { chooseAddressDriver } from "../../src/network/select.ts";
import * as files from "../../src/system/files.ts";
import { listenTcp } from "../../src/system/tcp.ts";
import { temporaryDirectory } from "../fakes/temporary_directory.ts";
import { captureLog } from "../fakes/captured_log.ts";
import { driverOn, FakeIp, hangs } from "./fake_ip.ts";

const SUBNET = parseCidr("10.107.0.0/16")!;

function addressesOn(ip: FakeIp, path = "/nonexistent/net_subnet.json"): Addresses {
  return new Addresses({
    driver: driverOn(ip),
    subnet: SUBNET,
    memory: new SubnetMemory({ path, files }),
    ownAddresses: () => ["127.0.0.1", "192.0.2.2"],
    allowed: () => [parseCidr("192.168.0.0/16")!],
  });
}

Deno.test("Addresses are restored at the next round, and a lasting failure is logged once", async () => {
  await using logged = await captureLog();
  const ip = new FakeIp();
  const addresses = addressesOn(ip);
  await addresses.prepare(SUBNET);
  assert.deepEqual(await addresses.ensure(["10.107.0.2"]), new Map());
  assert.deepEqual(addresses.report, {
    driver: "linux_ip",
    kind: "dummy",
    subnet: "10.107.0.0/16",
    reason: null,
    hint: null,
  });

  for (let episode = 0; episode < 2; episode++) {
    ip.setDown("ngrokd0");
    assert.deepEqual(await addresses.ensure(["10.107.0.2"]), new Map());
    assert.equal(ip.links.get("ngrokd0")!.up, true);
    assert.equal(addresses.report.reason, null);
    assert.match(logged.lines("info").at(-1)!, /Restored virtual addresses/);
  }
  const warnings = logged.lines("warning");
  assert.equal(warnings.length, 2);
  for (const warning of warnings) assert.match(warning, /interface ngrokd0 is down/);

  ip.setDown("ngrokd0");
  ip.refusals.push({ match: /^link set/, error: hangs });
  for (let round = 0; round < 3; round++) await addresses.ensure(["10.107.0.2"]);
  assert.match(addresses.report.reason!, /it did not end within 5 s/);
  assert.equal(addresses.subnet, SUBNET);
  assert.equal(logged.lines("error").filter((line) => line.includes("Cannot restore")).length, 1);
  ip.refusals.length = 0;
  await addresses.ensure(["10.107.0.2"]);
  assert.equal(addresses.report.reason, null);
});

Deno.test("Addresses report in log and status why there is no virtual interface", async () => {
  await using logged = await captureLog();
  const ip = new FakeIp();
  ip.refuse(/ add /, "RTNETLINK answers: Operation not permitted");
  const addresses = addressesOn(ip);
  await addresses.prepare(SUBNET);
  await addresses.ensure(["127.107.0.2"]);
  const { driver, kind, subnet, reason } = addresses.report;
  assert.deepEqual([driver, kind, subnet], ["loopback", null, "127.107.0.0/16"]);
  assert.match(reason!, /^Failed to create virtual network interface: dummy: RTNETLINK/);
  assert.ok(logged.lines("warning").some((line) => line.includes(reason!)));
  const { length } = ip.changes;
  await addresses.prepare(SUBNET);
  await addresses.ensure(["127.107.0.2"]);
  assert.equal(ip.changes.length, length, "there is only one attempt");
});

Deno.test("Addresses return to the configured subnet at a restart without the conflict (R105)", async () => {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/net_subnet.json`;
  const ip = new FakeIp();
  ip.routes.push({ to: "10.107.0.0/16", dev: "veth0", proto: "kernel" });
  const first = addressesOn(ip, path);
  await first.prepare(SUBNET);
  assert.equal(formatCidr(first.subnet), "10.108.0.0/16");
  await new LinuxIp({ run: ip.run }).release();

  ip.routes.pop();
  const second = addressesOn(ip, path);
  await second.prepare(SUBNET);
  assert.equal(formatCidr(second.subnet), "10.107.0.0/16");
  assert.equal(second.report.reason, null);
  assert.deepEqual(
    second.equivalentSubnets.map(formatCidr),
    ["127.107.0.0/16", "10.108.0.0/16"],
    "leases of the other subnet keep their offsets",
  );
  await second.prepare(parseCidr("10.20.0.0/16")!);
  assert.equal(formatCidr(second.subnet), "10.20.0.0/16", "the choice is for another request");
  assert.deepEqual(second.equivalentSubnets.map(formatCidr), ["127.20.0.0/16"]);
});

Deno.test("SubnetMemory sets a damaged file aside, and logs what cannot be read or written (F15)", async () => {
  await using logged = await captureLog();
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/net_subnet.json`;
  const memory = new SubnetMemory({ path, files });
  assert.equal(await memory.recall(SUBNET), undefined);
  await memory.remember(SUBNET, parseCidr("10.108.0.0/16")!);
  assert.deepEqual(await memory.recall(SUBNET), parseCidr("10.108.0.0/16"));
  assert.equal(logged.lines("warning").length, 0);
  await Deno.writeTextFile(path, "[]");
  assert.equal(await memory.recall(SUBNET), undefined);
  assert.match(logged.lines("warning").at(-1)!, /net_subnet\.json is damaged; it is kept as /);
  // The same choice as before the damage is written again.
  await memory.remember(SUBNET, parseCidr("10.108.0.0/16")!);
  assert.deepEqual(await new SubnetMemory({ path, files }).recall(SUBNET), parseCidr("10.108.0.0/16"));
  await Deno.remove(path);
  await Deno.mkdir(path);
  await memory.remember(SUBNET, SUBNET);
  assert.match(logged.lines("warning").at(-1)!, /Cannot save the chosen subnet/);
});

Deno.test("Addresses name the first address that other machines can dial, or localhost", async () => {
  const lists: [readonly string[], string][] = [
    [["127.0.0.1", "10.107.0.1", "192.168.1.10", "10.0.0.5"], "192.168.1.10"],
    [["127.0.0.1", "10.107.0.1"], "127.0.0.1"],
    [[], "127.0.0.1"],
  ];
  for (const [list, shared] of lists) {
    const addresses = new Addresses({
      driver: driverOn(new FakeIp()),
      subnet: SUBNET,
      memory: new SubnetMemory({ path: "/nonexistent/net_subnet.json", files }),
      ownAddresses: () => list,
      allowed: () => [],
    });
    await addresses.prepare(SUBNET);
    assert.equal(addresses.shared(), shared);
  }
});

Deno.test("Addresses admit only peers of this machine to virtual listeners", async () => {
  const ip = new FakeIp();
  const addresses = addressesOn(ip);
  await addresses.prepare(SUBNET);
  const cases: [string, string, boolean][] = [
    ["10.107.0.2", "10.107.0.2:80", true],
    ["10.107.9.9", "10.107.0.2:80", true],
    ["127.0.0.1", "10.107.0.2:80", true],
    ["127.3.4.5", "10.107.0.2:80", true],
    ["192.0.2.2", "10.107.0.2:80", true],
    ["192.0.2.3", "10.107.0.2:80", false],
    ["10.108.0.2", "10.107.0.2:80", false],
    ["::1", "10.107.0.2:80", false],
    ["192.168.4.5", "10.107.0.2:80", false],
    ["192.168.4.5", "192.0.2.2:80", true],
    ["192.168.4.5", "0.0.0.0:80", true],
    ["192.0.2.3", "192.0.2.2:80", false],
    ["192.0.2.3", "0.0.0.0:80", false],
    ["192.0.2.2", "192.0.2.2:80", true],
    ["127.0.0.1", "0.0.0.0:80", true],
    ["10.107.0.2", "0.0.0.0:80", true],
  ];
  for (const [peer, listener, admitted] of cases) {
    assert.equal(addresses.admits(peer, listener), admitted, `${peer} to ${listener}`);
  }
  await addresses.prepare(parseCidr("10.20.0.0/16")!);
  assert.equal(
    addresses.admits("192.0.2.3", "10.107.0.2:80"),
    false,
    "a listener of the old subnet is still virtual",
  );
  assert.equal(addresses.admits("192.0.2.3", "10.20.0.2:80"), false);
});

Deno.test("Addresses of an unsupported driver are refused with its reason", async () => {
  const addresses = new Addresses({
    driver: chooseAddressDriver({
      os: "darwin",
      listen: ({ address }) => listenTcp({ address: address.replace("127.0.0.2", "203.0.113.1"), port: 0 }),
      run: new FakeIp().run,
      interfaceName: "ngrokd0",
    }),
    subnet: SUBNET,
    memory: {
      problem: undefined,
      recall: () => Promise.resolve(undefined),
      remember: () => Promise.resolve(),
    },
    ownAddresses: () => [],
    allowed: () => [],
  });
  const reason = (await addresses.ensure(["127.107.0.2"])).get("127.107.0.2")!;
  assert.match(reason, /^Cannot use loopback addresses other than 127\.0\.0\.1: /);
  assert.equal(addresses.report.reason, reason);
});
