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

const LISTENERS = ["10.107.0.2:80", "192.168.1.1:80", "10.107.9.9:443"];

/** Addresses in 10.107.0.0/16 and their watch, which a test says to be in use or not. */
class Watched {
  readonly ip = new FakeIp();
  readonly addresses: Addresses;
  readonly watch: SubnetWatch;
  isInUse = false;
  /** Called while the listeners are being closed. */
  onClose = () => {};
  readonly closed: string[] = [];
  readonly ended: string[] = [];

  constructor(path: string) {
    this.addresses = new Addresses({
      driver: driverOn(this.ip),
      subnet: SUBNET,
      memory: new SubnetMemory({ path, files }),
      ownAddresses: () => [],
      allowed: () => [parseCidr("192.168.0.0/16")!],
    });
    this.watch = new SubnetWatch({
      addresses: this.addresses,
      isInUse: () => this.isInUse,
      closeListeners: (matches) => {
        this.closed.push(...LISTENERS.filter(matches));
        this.onClose();
        return Promise.resolve();
      },
      endConnections: (matches) => {
        // Whoever connects after that is not ended.
        assert.deepEqual(this.closed, LISTENERS.filter(matches));
        this.ended.push(...LISTENERS.filter(matches));
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
  assert.deepEqual([watch.report, watch.problem], [addresses.report, undefined]);
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
  assert.equal(watched.watch.problem, undefined);
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

Deno.test("SubnetWatch: rebind() ends all connections, and returns to the wanted subnet later", async () => {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/net_subnet.json`;
  const watched = new Watched(path);
  const { watch, ip } = watched;
  watched.isInUse = true;
  await watched.addresses.prepare(SUBNET);
  assert.deepEqual(await watch.rebind(), {}, "there is no reason to move");
  ip.routes.push(VPN);
  assert.deepEqual(await watch.rebind(), {
    moved: { from: "10.107.0.0/16", to: "172.16.0.0/16", ended: 2 },
  });
  assert.deepEqual(watched.ended, ["10.107.0.2:80", "10.107.9.9:443"]);
  assert.equal(watch.problem, undefined);

  watched.dropVpn();
  watched.closed.length = watched.ended.length = 0;
  assert.deepEqual(await watch.rebind(), {
    moved: { from: "172.16.0.0/16", to: "10.107.0.0/16", ended: 0 },
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
  assert.deepEqual(await watched.watch.rebind(), {});
  assert.match(watched.watch.problem!, /10\.0\.0\.0\/8 \(dev tun0\)/);
  const { subnet, closed, ended, ip } = watched;
  assert.deepEqual([subnet, closed, ended, ip.changes.length], ["10.107.0.0/16", [], [], length]);
});

Deno.test("SubnetWatch on loopback addresses finds nothing, and rebind() ends no connection", async () => {
  const watched = new Watched("/nonexistent/net_subnet.json");
  watched.ip.refuse(/ add /, "RTNETLINK answers: Operation not permitted");
  await watched.addresses.prepare(SUBNET);
  watched.ip.routes.push(VPN);
  await watched.watch.check();
  assert.deepEqual(await watched.watch.rebind(), {});
  assert.deepEqual([watched.subnet, watched.closed, watched.watch.problem], [
    "127.107.0.0/16",
    [],
    undefined,
  ]);
});

Deno.test("SubnetWatch gives the reason if the new subnet cannot be prepared", async () => {
  const watched = new Watched("/nonexistent/net_subnet.json");
  await watched.addresses.prepare(SUBNET);
  watched.isInUse = true;
  watched.ip.routes.push(VPN);
  watched.ip.refuse(/^address add 172/, "RTNETLINK answers: No buffer space available");
  watched.ip.refuse(/^route add local 172/, "RTNETLINK answers: No buffer space available");
  assert.deepEqual(await watched.watch.rebind(), {});
  assert.match(watched.watch.problem!, /No buffer space available/);
  // The next round restores the old subnet, for those who are connected.
  watched.ip.refusals.length = 0;
  await watched.addresses.ensure([]);
  assert.deepEqual([watched.subnet, watched.addresses.problem], ["10.107.0.0/16", undefined]);
  watched.closed.length = 0;
  assert.equal((await watched.watch.rebind()).moved?.to, "172.16.0.0/16");
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

// Every host of the VPN in the old subnet could use the endpoints like a program of this machine.
Deno.test("Addresses that moved admit no host of the subnet that was left, and share nothing there", async () => {
  const watched = new Watched("/nonexistent/net_subnet.json");
  const { addresses, watch, ip } = watched;
  const [host, neighbour] = ["10.107.9.9", "192.168.4.5"];
  assert.equal(addresses.isOwn(host), false, "no subnet is prepared");
  await addresses.prepare(SUBNET);
  assert.equal(addresses.isOwn(host), true);
  ip.routes.push(VPN);
  assert.ok((await watch.rebind()).moved);
  assert.deepEqual([addresses.isOwn(host), addresses.isOwn("172.16.9.9")], [false, true]);
  for (
    const [peer, listener, isAdmitted] of [
      [host, "172.16.0.2:80", false],
      [host, "0.0.0.0:80", false],
      [host, "10.107.0.2:80", false],
      [neighbour, "10.107.0.2:80", false],
      [neighbour, "0.0.0.0:80", true],
      ["172.16.0.2", "172.16.0.2:80", true],
      ["127.0.0.1", "172.16.0.2:80", true],
    ] as const
  ) assert.equal(addresses.admits(peer, listener), isAdmitted, `${peer} to ${listener}`);
});

Deno.test("Addresses that move admit nobody to the old subnet, also by a listener on all addresses", async () => {
  const watched = new Watched("/nonexistent/net_subnet.json");
  await watched.addresses.prepare(SUBNET);
  const admits = () => watched.addresses.admits("10.107.0.2", "10.107.0.2:80");
  assert.equal(admits(), true);
  watched.ip.routes.push(VPN);
  watched.onClose = () => {
    assert.equal(admits(), false);
    watched.isInUse = true;
  };
  await watched.watch.check();
  assert.equal(admits(), true, "the move was cancelled");
});

Deno.test("SubnetWatch cancels its own move if somebody connects until the listeners are closed", async () => {
  const watched = new Watched("/nonexistent/net_subnet.json");
  await watched.addresses.prepare(SUBNET);
  watched.ip.routes.push(VPN);
  watched.onClose = () => void (watched.isInUse = true);
  await watched.watch.check();
  assert.deepEqual([watched.subnet, watched.ended], ["10.107.0.0/16", []]);
  assert.match(watched.watch.report.hint!, /ngrokctl rebind$/);
  watched.isInUse = false;
  watched.onClose = () => {};
  watched.closed.length = 0;
  await watched.watch.check();
  assert.equal(watched.subnet, "172.16.0.0/16");
});

Deno.test("SubnetWatch keeps the overlap and gives the reason while the routes cannot be read", async () => {
  await using logged = await captureLog();
  for (const command of [/rule show/, /table all match/]) {
    const watched = new Watched("/nonexistent/net_subnet.json");
    const { watch, ip } = watched;
    await watched.addresses.prepare(SUBNET);
    watched.isInUse = true;
    ip.routes.push(VPN);
    await watch.check();
    const { reason, hint } = watch.report;
    ip.refuse(command, "Dump terminated");
    watched.isInUse = false;
    for (let round = 0; round < 2; round++) await watch.check();
    assert.ok(watch.report.reason!.startsWith(`${reason}; Cannot look for overlapping networks: `));
    assert.equal(watch.report.hint, hint);
    const { failure } = await watch.rebind();
    assert.match(failure!, /^Cannot run .*Dump terminated$/);
    assert.equal(watch.problem, `Cannot look for overlapping networks: ${failure}`);
    assert.deepEqual([watched.subnet, watched.closed], ["10.107.0.0/16", []]);
    ip.refusals.length = 0;
    watched.dropVpn();
    await watch.check();
    assert.deepEqual([watch.report.reason, watch.problem], [null, undefined]);
  }
  const failures = logged.lines("warning").filter((line) => line.includes("Cannot look for"));
  assert.equal(failures.length, 2, "once in each outage");
});

Deno.test("SubnetWatch: rebind() fails if the routes for the choice cannot be read", async () => {
  const watched = new Watched("/nonexistent/net_subnet.json");
  await watched.addresses.prepare(SUBNET);
  watched.ip.refuse(/route show table all$/, "Dump terminated");
  assert.match((await watched.watch.rebind()).failure!, /Dump terminated/);
});

Deno.test("SubnetWatch says that a rule must change if a default route comes before the table local", async () => {
  const watched = new Watched("/nonexistent/net_subnet.json");
  await watched.addresses.prepare(SUBNET);
  watched.ip.routes.push({ to: "default", dev: "tun0", proto: "static", table: "77" });
  watched.ip.rules.unshift({ src: "all", table: "77" });
  await watched.watch.check();
  const { reason, hint } = watched.watch.report;
  assert.match(reason!, /do not all reach ngrokd, because of the route to 0\.0\.0\.0\/0 \(dev tun0\)$/);
  assert.match(hint!, /^No other subnet helps\. Change the rule .*: ip -4 rule show$/);
  assert.deepEqual([await watched.watch.rebind(), watched.closed], [{}, []]);
});

Deno.test("SubnetWatch finds an overlap on a kernel without rules", async () => {
  const watched = new Watched("/nonexistent/net_subnet.json");
  await watched.addresses.prepare(SUBNET);
  watched.ip.refuse(/rule show/, "RTNETLINK answers: Operation not supported\nDump terminated");
  watched.ip.routes.push(VPN);
  await watched.watch.check();
  assert.deepEqual([watched.subnet, watched.watch.problem], ["172.16.0.0/16", undefined]);
});
