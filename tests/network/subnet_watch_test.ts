import assert from "node:assert/strict";
import { formatCidr, parseCidr } from "../../src/lib/ipv4.ts";
import { Addresses } from "../../src/network/addresses.ts";
import { SubnetMemory } from "../../src/network/subnet_memory.ts";
import { SubnetWatch } from "../../src/network/subnet_watch.ts";
import * as files from "../../src/system/files.ts";
import { captureLog } from "../fakes/captured_log.ts";
import { temporaryDirectory } from "../fakes/temporary_directory.ts";
import { driverOn, FakeIp } from "./fake_ip.ts";

const SUBNET = parseCidr("10.107.0.0/16")!;
const VPN = { to: "10.0.0.0/8", dev: "tun0", proto: "static" };

/** Addresses in 10.107.0.0/16 and their watch, which a test says to be in use or not. */
class Watched {
  readonly ip = new FakeIp();
  readonly addresses: Addresses;
  readonly watch: SubnetWatch;
  isInUse = false;
  readonly ended: string[] = [];

  constructor(path: string) {
    this.addresses = new Addresses({
      driver: driverOn(this.ip),
      subnet: SUBNET,
      memory: new SubnetMemory({ path, files }),
      ownAddresses: () => [],
      allowed: () => [],
    });
    this.watch = new SubnetWatch({
      addresses: this.addresses,
      isInUse: () => this.isInUse,
      endConnections: (matches) => {
        this.ended.push(...["10.107.0.2:80", "192.168.1.1:80", "10.107.9.9:443"].filter(matches));
        return Promise.resolve(this.ended.length);
      },
    });
  }

  get subnet(): string {
    return formatCidr(this.addresses.subnet);
  }

  dropVpn(): void {
    this.ip.routes.splice(this.ip.routes.indexOf(VPN), 1);
  }
}

Deno.test("SubnetWatch warns once about a VPN that comes while addresses are in use, until it is gone", async () => {
  await using logged = await captureLog();
  const watched = new Watched("/nonexistent/net_subnet.json");
  const { addresses, watch, ip } = watched;
  await addresses.prepare(SUBNET);
  await watch.check();
  assert.deepEqual(watch.report, addresses.report);

  watched.isInUse = true;
  ip.routes.push(VPN);
  for (let round = 0; round < 3; round++) await watch.check();
  assert.equal(watched.subnet, "10.107.0.0/16");
  assert.deepEqual([watch.report.reason, watch.report.hint], [
    "this machine cannot reach the hosts of 10.0.0.0/8 (dev tun0) that have addresses in 10.107.0.0/16, " +
    "because ngrokd uses 10.107.0.0/16",
    "To move ngrokd to another subnet, which ends open connections: ngrokctl rebind",
  ]);
  const overlapping = () => logged.lines("warning").filter((line) => line.includes("overlap with another"));
  assert.equal(overlapping().length, 1);

  watched.dropVpn();
  await watch.check();
  assert.deepEqual([watch.report, watch.overlap], [addresses.report, undefined]);
  ip.routes.push(VPN);
  await watch.check();
  assert.equal(overlapping().length, 2);
});

Deno.test("SubnetWatch moves the addresses while nobody uses them, and a next start stays there", async () => {
  await using logged = await captureLog();
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/net_subnet.json`;
  const watched = new Watched(path);
  await watched.addresses.prepare(SUBNET);
  watched.ip.routes.push(VPN);
  await watched.watch.check();
  assert.equal(watched.subnet, "172.16.0.0/16");
  assert.deepEqual(watched.ip.links.get("ngrokd0")!.addresses, ["172.16.0.1/32"]);
  assert.equal(watched.watch.overlap, undefined);
  assert.match(
    watched.addresses.report.reason!,
    /^172\.16\.0\.0\/16 is used instead of 10\.107\.0\.0\/16: .*10\.0\.0\.0\/8/,
  );
  assert.match(
    logged.lines("warning").join("\n"),
    /Moved the virtual addresses from 10\.107\.0\.0\/16 to 172\.16/,
  );
  // Each name keeps the offset of its address.
  assert.ok(watched.addresses.equivalentSubnets.some((subnet) => formatCidr(subnet) === "10.107.0.0/16"));
  const { length } = watched.ip.changes;
  await watched.watch.check();
  assert.equal(watched.ip.changes.length, length);

  const next = new Watched(path);
  next.ip.routes.push(VPN);
  await next.addresses.prepare(SUBNET);
  assert.equal(next.subnet, "172.16.0.0/16");
});

Deno.test("SubnetWatch: rebind() ends the connections first, and returns to the wanted subnet later", async () => {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/net_subnet.json`;
  const watched = new Watched(path);
  const { watch, ip } = watched;
  watched.isInUse = true;
  await watched.addresses.prepare(SUBNET);
  assert.equal(await watch.rebind(), undefined, "there is no reason to move");
  ip.routes.push(VPN);
  assert.deepEqual(await watch.rebind(), { from: "10.107.0.0/16", to: "172.16.0.0/16", ended: 2 });
  assert.deepEqual(watched.ended, ["10.107.0.2:80", "10.107.9.9:443"]);
  assert.equal(watch.overlap, undefined);

  watched.dropVpn();
  assert.deepEqual({ ...await watch.rebind(), ended: 0 }, {
    from: "172.16.0.0/16",
    to: "10.107.0.0/16",
    ended: 0,
  });
  assert.equal(watched.addresses.report.reason, null);
  const next = new Watched(path);
  await next.addresses.prepare(SUBNET);
  assert.equal(next.subnet, "10.107.0.0/16", "the subnet that was left is forgotten");
});

Deno.test("SubnetWatch stays and says so if VPNs cover all private networks, and ends no connection", async () => {
  const watched = new Watched("/nonexistent/net_subnet.json");
  await watched.addresses.prepare(SUBNET);
  for (const to of ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]) watched.ip.routes.push({ ...VPN, to });
  const { length } = watched.ip.changes;
  await watched.watch.check();
  assert.equal(await watched.watch.rebind(), undefined);
  assert.match(watched.watch.overlap!, /10\.0\.0\.0\/8 \(dev tun0\)/);
  assert.deepEqual([watched.subnet, watched.ended, watched.ip.changes.length], ["10.107.0.0/16", [], length]);
});

Deno.test("SubnetWatch on loopback addresses finds nothing, and rebind() ends no connection", async () => {
  const watched = new Watched("/nonexistent/net_subnet.json");
  watched.ip.refuse(/ add /, "RTNETLINK answers: Operation not permitted");
  await watched.addresses.prepare(SUBNET);
  watched.ip.routes.push(VPN);
  await watched.watch.check();
  assert.equal(await watched.watch.rebind(), undefined);
  assert.deepEqual([watched.subnet, watched.ended, watched.watch.problem], ["127.107.0.0/16", [], undefined]);
});

Deno.test("SubnetWatch gives the reason if the new subnet cannot be prepared", async () => {
  const watched = new Watched("/nonexistent/net_subnet.json");
  await watched.addresses.prepare(SUBNET);
  watched.isInUse = true;
  watched.ip.routes.push(VPN);
  watched.ip.refuse(/^address add 172/, "RTNETLINK answers: No buffer space available");
  watched.ip.refuse(/^route add local 172/, "RTNETLINK answers: No buffer space available");
  assert.equal(await watched.watch.rebind(), undefined);
  assert.match(watched.watch.problem!, /No buffer space available/);
  // The next round restores the old subnet, for those who are connected.
  watched.ip.refusals.length = 0;
  await watched.addresses.ensure([]);
  assert.deepEqual([watched.subnet, watched.addresses.problem], ["10.107.0.0/16", undefined]);
  assert.equal((await watched.watch.rebind())?.to, "172.16.0.0/16");
});

Deno.test("Addresses that are in use are restored in their subnet, also if a VPN covers it", async () => {
  const watched = new Watched("/nonexistent/net_subnet.json");
  await watched.addresses.prepare(SUBNET);
  watched.isInUse = true;
  watched.ip.routes.push(VPN);
  watched.ip.links.delete("ngrokd0");
  watched.ip.routes.splice(watched.ip.routes.findIndex(({ dev }) => dev === "ngrokd0"), 1);
  await watched.watch.check();
  await watched.addresses.ensure([]);
  assert.deepEqual([watched.subnet, watched.addresses.problem], ["10.107.0.0/16", undefined]);
  assert.deepEqual(watched.ip.links.get("ngrokd0")!.addresses, ["10.107.0.1/32"]);
});
