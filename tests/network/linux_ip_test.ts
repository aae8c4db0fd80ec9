import assert from "node:assert/strict";
import { formatCidr, parseCidr } from "../../src/lib/ipv4.ts";
import { CommandError } from "../../src/model/errors.ts";
import { IP } from "../../src/network/ip_program.ts";
import { LinuxIp } from "../../src/network/linux_ip.ts";
import { captureLog } from "../fakes/captured_log.ts";
import { FakeIp, type FakeLink, hangs } from "./fake_ip.ts";

const SUBNET = parseCidr("10.107.0.0/16")!;
const UNKNOWN_KIND = "Error: Unknown device type.";
const NOT_PERMITTED = "RTNETLINK answers: Operation not permitted";
const CREATE_DUMMY = [
  "link add name ngrokd0 address 02:6e:67:72:6f:6b type dummy",
  "address add 10.107.0.1/32 dev ngrokd0 scope site",
  "link set dev ngrokd0 up",
  "route add local 10.107.0.0/16 dev ngrokd0 proto 107",
];

function linuxOn(ip: FakeIp): LinuxIp {
  return new LinuxIp({ run: ip.run, interfaceName: "ngrokd0" });
}

async function preparedOn(ip: FakeIp): Promise<LinuxIp> {
  const driver = linuxOn(ip);
  assert.deepEqual(await driver.prepare(SUBNET), { subnet: SUBNET });
  ip.changes.length = 0;
  return driver;
}

Deno.test("LinuxIp creates one interface, address and route for any number of addresses", async () => {
  const ip = new FakeIp();
  const driver = linuxOn(ip);
  assert.deepEqual([driver.kind, driver.linkKind, driver.supported()], ["linux_ip", undefined, {
    supported: true,
  }]);
  assert.deepEqual(await driver.prepare(SUBNET), { subnet: SUBNET });
  assert.deepEqual(ip.changes, CREATE_DUMMY);
  assert.equal(driver.linkKind, "dummy");
  const addresses = Array.from({ length: 1000 }, (_, index) => `10.107.${index % 250}.${index % 200}`);
  assert.deepEqual(await driver.ensure(addresses), new Map());
  assert.equal(await driver.findProblem(), undefined);
  assert.deepEqual(await driver.prepare(SUBNET), { subnet: SUBNET });
  assert.equal(ip.changes.length, CREATE_DUMMY.length);
});

Deno.test("LinuxIp does not check a copy of 10,000 addresses with the same revision", async () => {
  const ip = new FakeIp();
  let runs = 0;
  const driver = new LinuxIp({ run: (argv, options) => (runs++, ip.run(argv, options)) });
  await driver.prepare(SUBNET);
  const runsBefore = runs;
  const addresses = Array.from({ length: 10_000 }, (_, index) => `10.107.${index >> 8}.${index & 255}`);
  addresses.push("192.0.2.1");
  const first = await driver.ensure(addresses, 1);
  const copy = [...addresses];
  copy[Symbol.iterator] = () => assert.fail("the addresses were checked again");
  assert.deepEqual([...first.keys()], ["192.0.2.1"]);
  assert.deepEqual(await driver.ensure(copy, 1), first);
  assert.deepEqual(await driver.ensure(["10.107.0.2"], 2), new Map());
  assert.equal(runs, runsBefore);
});

Deno.test("LinuxIp runs ip by its absolute path, at most 5 s for each call", async () => {
  const ip = new FakeIp();
  const seen = new Set<string>();
  const driver = new LinuxIp({
    interfaceName: "ngrokd0",
    run: (argv, { timeoutMs }) => {
      seen.add(`${argv[0]} ${timeoutMs}`);
      return ip.run(argv, { timeoutMs });
    },
  });
  await driver.prepare(SUBNET);
  await driver.release();
  assert.deepEqual([...seen], [`${IP} 5000`]);
});

Deno.test("LinuxIp creates a veth with a carrier if the kernel has no dummy, and logs it (F31)", async () => {
  await using logged = await captureLog();
  const ip = new FakeIp();
  ip.refuse(/type dummy/, UNKNOWN_KIND);
  const driver = await preparedOn(ip);
  assert.equal(driver.linkKind, "veth");
  assert.deepEqual([...ip.links].map(([name, { kind, up }]) => [name, kind, up]), [
    ["lo", "", true],
    ["ngrokd0", "veth", true],
    ["ngrokd0-peer", "veth", true],
  ]);
  assert.match(logged.lines("info").join("\n"), /kind dummy: .*Unknown device type/);
  assert.equal(await driver.findProblem(), undefined);
  ip.setDown("ngrokd0-peer");
  assert.equal(await driver.findProblem(), "the interface ngrokd0-peer is down");
  assert.deepEqual(await driver.prepare(SUBNET), { subnet: SUBNET });
  assert.deepEqual(ip.changes, ["link set dev ngrokd0-peer up"]);
  await driver.release();
  assert.deepEqual([...ip.links.keys()], ["lo"]);
});

Deno.test("LinuxIp replaces the bridge without a carrier that an earlier version left", async () => {
  const ip = new FakeIp();
  ip.links.set("ngrokd0", {
    mac: "02:6e:67:72:6f:6b",
    kind: "bridge",
    up: true,
    addresses: ["10.107.0.1/32"],
  });
  const driver = linuxOn(ip);
  assert.deepEqual(await driver.prepare(SUBNET), { subnet: SUBNET });
  assert.deepEqual([driver.linkKind, ip.links.get("ngrokd0")!.kind], ["dummy", "dummy"]);
});

Deno.test("LinuxIp puts the route on lo if no interface can be created (F31)", async () => {
  const ip = new FakeIp();
  ip.refuse(/^link add/, UNKNOWN_KIND);
  const driver = await preparedOn(ip);
  assert.equal(driver.linkKind, "lo");
  assert.deepEqual([...ip.links.keys()], ["lo"]);
  assert.deepEqual(ip.links.get("lo")!.addresses, ["127.0.0.1/8"]);
  assert.deepEqual(ip.routes.at(-1), { to: "10.107.0.0/16", dev: "lo", proto: "107" });
  assert.equal(await driver.findProblem(), undefined);
  ip.routes.pop();
  assert.equal(await driver.findProblem(), "the route 10.107.0.0/16 dev lo is missing");
  await driver.prepare(SUBNET);
  await driver.release();
  assert.deepEqual(ip.routes.map(({ dev }) => dev), ["eth0"]);
});

Deno.test("LinuxIp removes an interface that it cannot complete, and tries the next kind", async () => {
  const ip = new FakeIp();
  ip.refuse(/^address add/, "RTNETLINK answers: Invalid argument");
  const driver = await preparedOn(ip);
  assert.equal(driver.linkKind, "lo");
  assert.deepEqual([...ip.links.keys()], ["lo"]);
});

Deno.test("LinuxIp without rights gives the reason for each kind, and leaves nothing", async () => {
  const ip = new FakeIp();
  ip.refuse(/ (add|set|delete) /, NOT_PERMITTED);
  const driver = linuxOn(ip);
  assert.deepEqual(await driver.prepare(SUBNET), {
    subnet: SUBNET,
    failure: `dummy: ${NOT_PERMITTED}; veth: ${NOT_PERMITTED}; lo: ${NOT_PERMITTED} ` +
      "(this needs root or the capability NET_ADMIN)",
  });
  assert.equal(await driver.findProblem(), undefined);
  assert.deepEqual(await driver.ensure(["10.107.0.2"]), new Map([["10.107.0.2", "No subnet is prepared"]]));
});

Deno.test("LinuxIp restores what was removed or set down, with only the necessary steps (F32)", async () => {
  const address = "the address 10.107.0.1/32 dev ngrokd0 is missing";
  const route = "the route 10.107.0.0/16 dev ngrokd0 is missing";
  const cases: [(ip: FakeIp) => void, string, string[]][] = [
    [
      (ip) => {
        ip.links.delete("ngrokd0");
        ip.routes.pop();
      },
      `the interface ngrokd0 is missing, ${address}, the interface ngrokd0 is down, ${route}`,
      CREATE_DUMMY,
    ],
    [(ip) => ip.setDown("ngrokd0"), "the interface ngrokd0 is down", CREATE_DUMMY.slice(2, 3)],
    [(ip) => void ip.routes.pop(), route, CREATE_DUMMY.slice(3)],
    [(ip) => ip.links.get("ngrokd0")!.addresses.length = 0, address, CREATE_DUMMY.slice(1, 2)],
  ];
  for (const [damage, problem, steps] of cases) {
    const ip = new FakeIp();
    const driver = await preparedOn(ip);
    damage(ip);
    assert.equal(await driver.findProblem(), problem);
    assert.deepEqual(await driver.prepare(SUBNET), { subnet: SUBNET });
    assert.deepEqual(ip.changes, steps);
    assert.equal(await driver.findProblem(), undefined);
  }
});

Deno.test("LinuxIp takes over or removes the leftovers of a crash, whatever their name and subnet", async () => {
  for (const name of ["ngrokd0", "ngrokd9"]) {
    const ip = new FakeIp();
    const before = new LinuxIp({ run: ip.run, interfaceName: name });
    await before.prepare(parseCidr("10.50.0.0/16")!);
    ip.routes.push({ to: "10.51.0.0/16", dev: "lo", proto: "107" });
    const driver = await preparedOn(ip);
    assert.equal(await driver.findProblem(), undefined);
    assert.deepEqual([...ip.links.keys()], ["lo", "ngrokd0"]);
    assert.deepEqual(ip.links.get("ngrokd0")!.addresses, ["10.107.0.1/32"]);
    assert.deepEqual(ip.routes.map(({ to }) => to), ["default", "10.107.0.0/16"]);

    await linuxOn(ip).release();
    assert.deepEqual([...ip.links.keys()], ["lo"]);
    assert.deepEqual(ip.routes.map(({ to }) => to), ["default"]);
  }
});

Deno.test("LinuxIp never touches a foreign interface with its name, and uses lo instead", async () => {
  const ip = new FakeIp();
  const foreign = { mac: "06:00:00:00:00:01", kind: "dummy", up: false, addresses: ["10.3.0.1/32"] };
  ip.links.set("ngrokd0", foreign);
  const before = structuredClone(foreign);
  const driver = await preparedOn(ip);
  assert.equal(driver.linkKind, "lo");
  assert.equal(await driver.findProblem(), undefined);
  await driver.release();
  assert.deepEqual(ip.links.get("ngrokd0"), before);
});

Deno.test("LinuxIp keeps an address that another program added to its interface", async () => {
  const ip = new FakeIp();
  const driver = await preparedOn(ip);
  ip.links.get("ngrokd0")!.addresses.push("169.254.3.4/16");
  assert.equal(await driver.findProblem(), undefined);
});

Deno.test("LinuxIp chooses another subnet if there is a route to the wanted one, and keeps it (F33)", async () => {
  const ip = new FakeIp();
  ip.routes.push({ to: "10.107.1.0/24", dev: "veth0", proto: "kernel" });
  const driver = linuxOn(ip);
  const chosen = await driver.prepare(SUBNET);
  assert.equal(formatCidr(chosen.subnet), "10.108.0.0/16");
  assert.match(chosen.reason!, /route to 10\.107\.1\.0\/24 \(dev veth0\)/);
  assert.equal(chosen.remember, true);
  assert.deepEqual(await driver.prepare(SUBNET), chosen, "its own routes are no conflict");
  assert.deepEqual(
    await driver.ensure(["10.108.0.2", "10.107.0.2"]),
    new Map([[
      "10.107.0.2",
      "10.107.0.2 is not in 10.108.0.0/16",
    ]]),
  );
  ip.routes.splice(ip.routes.findIndex(({ dev }) => dev === "veth0"), 1);
  const again = await driver.prepare(SUBNET, chosen.subnet);
  assert.deepEqual([again.subnet, again.remember], [chosen.subnet, true], "its addresses are leased");
  assert.deepEqual(await linuxOn(ip).prepare(SUBNET, chosen.subnet), { subnet: SUBNET }, "a restart");
});

/** The interface of the Go daemon 0.2 after SIGTERM, with the addresses of its endpoints. */
function leaveGoInterface(ip: FakeIp, link: Partial<FakeLink> = {}): void {
  const addresses = ["10.107.0.1/16", "10.107.0.2/16", "10.107.0.3/16"];
  ip.links.set("ngrokd0", { mac: "36:4e:8f:9f:f4:d7", kind: "dummy", up: true, addresses, ...link });
  ip.routes.push({ to: "10.107.0.0/16", dev: "ngrokd0", proto: "kernel" });
  for (const address of addresses) {
    ip.routes.push({ to: address.replace("/16", ""), dev: "ngrokd0", proto: "kernel" });
  }
}

// Its routes looked like those of another network, so that every address moved to 10.108.0.0/16.
Deno.test("LinuxIp takes over the interface that the Go daemon left behind, and removes it (R105)", async () => {
  await using logged = await captureLog();
  for (const kind of ["dummy", "bridge"]) {
    const ip = new FakeIp();
    leaveGoInterface(ip, { kind });
    const driver = linuxOn(ip);
    assert.deepEqual(await driver.prepare(SUBNET), { subnet: SUBNET });
    assert.deepEqual(ip.changes, ["link delete dev ngrokd0", ...CREATE_DUMMY]);
    assert.match(logged.lines("info").join("\n"), /Took over interface ngrokd0 of the Go daemon/);
    assert.equal(driver.linkKind, "dummy");
    assert.equal(await driver.findProblem(), undefined);
    await driver.release();
    assert.deepEqual([...ip.links.keys()], ["lo"]);
    assert.deepEqual(ip.routes.map(({ to }) => to), ["default"]);
  }
});

// The interface of a daemon that was running lost all its addresses.
Deno.test("LinuxIp leaves the interface of a Go daemon that may be running, and says why (R105)", async () => {
  const cases: [() => Promise<boolean>, RegExp][] = [
    [() => Promise.resolve(true), /^The Go daemon is running and uses ngrokd0\. Stop the Go daemon, then/],
    [
      () => Promise.reject(new Error("denied")),
      /^Cannot check if the Go daemon is running .*: denied\. Stop/,
    ],
  ];
  for (const [isGoRunning, reason] of cases) {
    const ip = new FakeIp();
    leaveGoInterface(ip);
    const driver = new LinuxIp({ run: ip.run, isGoRunning });
    assert.match((await driver.prepare(SUBNET)).failure!, reason);
    assert.deepEqual(ip.changes, []);
  }
});

Deno.test("LinuxIp takes over an interface at the start only", async () => {
  const ip = new FakeIp();
  const driver = await preparedOn(ip);
  await driver.release();
  ip.changes.length = 0;
  leaveGoInterface(ip);
  await driver.prepare(SUBNET);
  assert.ok(!ip.changes.includes("link delete dev ngrokd0"));
});

Deno.test("LinuxIp takes over no bridge of another name, which may carry traffic", async () => {
  const ip = new FakeIp();
  ip.links.set("br0", { mac: "36:4e:8f:9f:f4:d7", kind: "bridge", up: true, addresses: ["10.107.0.1/16"] });
  ip.routes.push({ to: "10.107.0.0/16", dev: "br0", proto: "kernel" });
  const { subnet } = await new LinuxIp({ run: ip.run, interfaceName: "br0" }).prepare(SUBNET);
  assert.equal(formatCidr(subnet), "10.108.0.0/16");
  assert.ok(ip.links.has("br0"));
});

Deno.test("LinuxIp takes over nothing that the Go daemon does not leave behind", async () => {
  const foreign: Partial<FakeLink>[] = [
    { kind: "veth" },
    { kind: "" },
    { addresses: ["10.107.0.10/16"] },
    { addresses: ["10.108.0.1/16"] },
    { addresses: [] },
  ];
  for (const link of foreign) {
    const ip = new FakeIp();
    leaveGoInterface(ip, link);
    const before = structuredClone(ip.links.get("ngrokd0"));
    const { subnet } = await linuxOn(ip).prepare(SUBNET);
    assert.equal(formatCidr(subnet), "10.108.0.0/16");
    assert.deepEqual(ip.links.get("ngrokd0"), before);
  }
});

Deno.test("LinuxIp names the reason if it cannot take over the Go daemon's interface", async () => {
  const ip = new FakeIp();
  leaveGoInterface(ip);
  ip.refuse(/^link delete/, NOT_PERMITTED);
  assert.match((await linuxOn(ip).prepare(SUBNET)).failure!, /link delete dev ngrokd0.*not permitted/);
});

Deno.test("LinuxIp reports that all private networks are in use", async () => {
  const ip = new FakeIp();
  for (const to of ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]) {
    ip.routes.push({ to, dev: "tun0", proto: "static" });
  }
  const { failure } = await linuxOn(ip).prepare(SUBNET);
  assert.equal(failure, "10.107.0.0/16 and all private networks are in use on this machine");
  assert.deepEqual(ip.changes, []);
});

Deno.test("LinuxIp tries no other kind if ip does not answer, and removes the interface (F30)", async () => {
  const ip = new FakeIp();
  ip.refusals.push({ match: /^route add/, error: hangs });
  const { failure } = await linuxOn(ip).prepare(SUBNET);
  assert.match(failure!, /^Cannot run "\/sbin\/ip route add .*": it did not end within 5 s$/);
  assert.deepEqual(ip.changes, [...CREATE_DUMMY, "link delete dev ngrokd0"]);
});

Deno.test("LinuxIp reports an ip that hangs, is missing, fails or prints garbage (F30)", async () => {
  const commandError = (state: string, exitCode: number) =>
    new CommandError(`Cannot run "${IP}": ${state}`, { argv: [IP], exitCode, stderr: "" });
  const answers: [() => Promise<{ stdout: string }>, RegExp][] = [
    [() => Promise.reject(commandError("it did not end within 5 s", 137)), /it did not end within 5 s/],
    [() => Promise.reject(commandError("No such file", -1)), /No such file/],
    [() => Promise.reject(commandError("exit code 2: broken", 2)), /exit code 2: broken/],
    [() => Promise.resolve({ stdout: "garbage" }), /Cannot read the output of "\/sbin\/ip .*garbage/],
    [() => Promise.resolve({ stdout: "{}" }), /Cannot read the output of .*: Unexpected structure/],
  ];
  for (const [answer, reason] of answers) {
    const ip = new FakeIp();
    let broken = true;
    const driver = new LinuxIp({
      interfaceName: "ngrokd0",
      run: (argv, options) => broken ? answer() : ip.run(argv, options),
    });
    const { subnet, failure } = await driver.prepare(SUBNET);
    assert.match(failure!, reason);
    assert.deepEqual(subnet, SUBNET);
    assert.match((await driver.release())!, reason);

    broken = false;
    assert.deepEqual(await driver.prepare(SUBNET), { subnet: SUBNET });
    broken = true;
    assert.match((await driver.findProblem())!, reason);
    const other = await driver.prepare(parseCidr("10.9.0.0/16")!);
    assert.deepEqual(other.subnet, SUBNET, "the subnet in use is kept");
  }
});

Deno.test("LinuxIp lets a bug of the runner through", async () => {
  let broken = false;
  const ip = new FakeIp();
  const driver = new LinuxIp({
    interfaceName: "ngrokd0",
    run(argv, options) {
      if (broken) throw new TypeError("bug");
      return ip.run(argv, options);
    },
  });
  await driver.prepare(SUBNET);
  broken = true;
  await assert.rejects(driver.prepare(SUBNET), TypeError);
  await assert.rejects(driver.findProblem(), TypeError);
  await assert.rejects(driver.release(), TypeError);
  broken = false;
  await driver.release();
  ip.refusals.push({ match: /^link add/, error: () => new TypeError("bug") });
  await assert.rejects(driver.prepare(SUBNET), TypeError);
});
