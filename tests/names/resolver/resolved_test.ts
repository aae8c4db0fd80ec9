import assert from "node:assert/strict";
import { FileError } from "../../../src/model/errors.ts";
import type { OwnInterface } from "../../../src/model/own_interface.ts";
import { Resolved, type ResolvedOptions } from "../../../src/names/resolver/resolved.ts";
import type { ResolverRequest } from "../../../src/names/resolver/resolver.ts";
import { FakeResolvectl } from "./fake_resolvectl.ts";
import { captureLog } from "../../fakes/captured_log.ts";

const LINK: OwnInterface = { name: "ngrokd0", subnet: { base: 0x0a6b0000, prefix: 16 } };
const REQUEST: ResolverRequest = {
  server: { address: "10.107.0.1", port: 53 },
  domains: ["b.example", "*.a.example"],
};
const STUB = "# This is the stub file.\nnameserver 127.0.0.53\noptions edns0 trust-ad\nsearch lan\n";
/** The server comes last, because without domains it would get the queries for every name. */
const APPLIED = [
  "dnssec ngrokd0 no",
  "dnsovertls ngrokd0 no",
  "domain ngrokd0 ~a.example ~b.example",
  "dns ngrokd0 10.107.0.1",
];

function make(fake: FakeResolvectl, options: Partial<ResolvedOptions> & { text?: string } = {}): Resolved {
  const { text = STUB, ...rest } = options;
  return new Resolved({
    run: fake.run,
    files: { readBytesIfAny: () => Promise.resolve(new TextEncoder().encode(text)) },
    resolvConf: "/etc/resolv.conf",
    link: () => LINK,
    ...rest,
  });
}

Deno.test("Resolved routes our domains over our interface, and reverts the settings", async () => {
  const fake = new FakeResolvectl("ngrokd0");
  const resolver = make(fake);
  assert.equal(resolver.label, "systemd-resolved (ngrokd0)");
  assert.deepEqual(await resolver.apply(REQUEST), { changed: true, refused: new Map() });
  assert.deepEqual(fake.takeChanges(), APPLIED);
  assert.equal((await resolver.apply(REQUEST)).changed, false);
  assert.deepEqual(fake.takeChanges(), []);
  assert.equal((await resolver.withdraw()).changed, true);
  assert.deepEqual(fake.takeChanges(), ["revert ngrokd0"]);
});

Deno.test("Resolved sets a port only if it is not 53, because old versions accept none", async () => {
  const fake = new FakeResolvectl("ngrokd0");
  await make(fake).apply({ ...REQUEST, server: { address: "10.107.0.1", port: 5353 } });
  assert.deepEqual(fake.servers, ["10.107.0.1:5353"]);
});

Deno.test("Resolved restores its settings after a restart of systemd-resolved (F55)", async () => {
  const fake = new FakeResolvectl("ngrokd0");
  const resolver = make(fake);
  await resolver.apply(REQUEST);
  fake.restart();
  fake.takeChanges();
  await using logged = await captureLog();
  assert.equal((await resolver.apply(REQUEST)).changed, true);
  assert.deepEqual(logged.lines("warning"), ["Restored the settings of ngrokd0 in systemd-resolved"]);
  assert.deepEqual(fake.takeChanges(), APPLIED);
});

Deno.test("Resolved reports a resolvectl that fails or prints garbage, and recovers with it (F55)", async () => {
  const fake = new FakeResolvectl("ngrokd0");
  const resolver = make(fake);
  for (const verb of [undefined, "dns", "domain", "dnssec", "dnsovertls", "status"]) {
    fake.failure = { ...(verb === undefined ? {} : { verb }), reason: "No such file or directory" };
    const { changed, problem } = await resolver.apply(REQUEST);
    assert.equal(changed, false);
    assert.match(
      problem ?? "",
      /^Cannot run "\/usr\/bin\/resolvectl [a-z]+ ngrokd0.*": No such file or directory$/,
    );
    fake.failure = undefined;
    // Settings that were never complete cannot be lost.
    assert.deepEqual(await resolver.apply(REQUEST), {
      changed: verb !== "status",
      refused: new Map(),
    });
    await resolver.withdraw();
  }
  fake.garbage = "Failed to get link data\n";
  assert.match(
    (await resolver.apply(REQUEST)).problem ?? "",
    /^Cannot read the output of ".*resolvectl dns ngrokd0": /,
  );
});

Deno.test("Resolved limits repairs if another program keeps changing its settings", async () => {
  const fake = new FakeResolvectl("ngrokd0");
  let now = 0;
  const resolver = make(fake, { now: () => now });
  await resolver.apply(REQUEST);
  let repairs = 0;
  let problem: string | undefined;
  for (let i = 0; i < 60; i++, now += 1000) {
    fake.servers = ["192.168.1.1"];
    const outcome = await resolver.apply(REQUEST);
    if (outcome.changed) repairs++;
    problem = outcome.problem;
  }
  assert.equal(repairs, 10);
  assert.equal(
    problem,
    "Cannot use systemd-resolved: another program keeps changing its settings of ngrokd0",
  );
});

Deno.test("Resolved needs a resolv.conf that names systemd-resolved first, apart from our line", async () => {
  const ours = "# ngrokd managed - do not edit this line\nnameserver 10.107.0.1\n";
  for (const text of [STUB, `${ours}${STUB}`, "nameserver 127.0.0.54\n", `${STUB}nameserver 1.1.1.1\n`]) {
    assert.equal((await make(new FakeResolvectl("ngrokd0"), { text }).apply(REQUEST)).problem, undefined);
  }
  for (
    const [text, names] of [
      [`nameserver 192.168.1.1\n${STUB}`, "192.168.1.1 first"],
      ["# nameserver 127.0.0.53\nsearch lan\n", "no DNS server"],
      ["", "no DNS server"],
      // The resolver of the C library ignores a line after a byte order mark.
      ["\ufeffnameserver 127.0.0.53\nnameserver 1.1.1.1\n", "1.1.1.1 first"],
    ] as const
  ) {
    const fake = new FakeResolvectl("ngrokd0");
    const { problem } = await make(fake, { text }).apply(REQUEST);
    assert.equal(problem, `Cannot use systemd-resolved: /etc/resolv.conf names ${names}`);
    assert.deepEqual(fake.takeChanges(), []);
  }
});

Deno.test("Resolved needs an interface of our own, and a server that is reachable through it", async () => {
  const fake = new FakeResolvectl("ngrokd0");
  let link: OwnInterface | undefined = LINK;
  const resolver = make(fake, { link: () => link });
  for (const address of ["192.168.1.5", "127.0.0.2", "10.108.0.1"]) {
    const { problem } = await resolver.apply({ ...REQUEST, server: { address, port: 53 } });
    assert.equal(
      problem,
      `Cannot use systemd-resolved: ngrokd's DNS server at ${address} is not reachable through ngrokd0`,
    );
  }
  await resolver.apply(REQUEST);
  link = undefined;
  assert.match(
    (await resolver.apply(REQUEST)).problem ?? "",
    /: there is no virtual network interface$/,
  );
  assert.equal(resolver.label, "systemd-resolved (no interface)");
  assert.equal((await resolver.withdraw()).problem, undefined);
});

Deno.test("Resolved reverts its settings when our server moves to an unreachable address", async () => {
  const fake = new FakeResolvectl("ngrokd0");
  const resolver = make(fake);
  await resolver.apply(REQUEST);
  const outcome = await resolver.apply({ ...REQUEST, server: { address: "192.168.1.5", port: 53 } });
  assert.deepEqual([outcome.changed, fake.servers], [true, []]);
});

Deno.test("Resolved tries an unused interface three times, then every 5 minutes", async () => {
  const fake = new FakeResolvectl("ngrokd0");
  fake.usable = false;
  let now = 0;
  const resolver = make(fake, { now: () => now });
  const problem = "Cannot use systemd-resolved: it sends no queries through ngrokd0";
  for (let i = 0; i < 3; i++) {
    assert.equal((await resolver.apply(REQUEST)).problem, problem);
    assert.deepEqual(fake.takeChanges(), [...APPLIED, "revert ngrokd0"]);
  }
  fake.usable = true;
  now += 299_000;
  assert.equal((await resolver.apply(REQUEST)).problem, problem);
  assert.deepEqual(fake.takeChanges(), []);
  now += 1000;
  assert.equal((await resolver.apply(REQUEST)).problem, undefined);
});

Deno.test("Resolved reverts the settings of an earlier run for an unused interface", async () => {
  const fake = new FakeResolvectl("ngrokd0");
  await make(fake).apply(REQUEST);
  fake.usable = false;
  const { problem, changed } = await make(fake).apply(REQUEST);
  assert.deepEqual([problem, changed, fake.servers], [
    "Cannot use systemd-resolved: it sends no queries through ngrokd0",
    false,
    [],
  ]);
});

Deno.test("Resolved routes 1,000 names with at most 256 domains", async () => {
  const fake = new FakeResolvectl("ngrokd0");
  const names = Array.from({ length: 1000 }, (_, i) => `n${i}.lab.example.com`);
  const resolver = make(fake);
  await resolver.apply({ ...REQUEST, domains: [...names, "other.test"] });
  assert.deepEqual(fake.domains, ["~lab.example.com", "~other.test"]);
  await resolver.apply({ ...REQUEST, domains: names.slice(0, 256) });
  assert.equal(fake.domains.length, 256);
  // The program prints the list on many lines.
  assert.equal((await resolver.apply({ ...REQUEST, domains: names.slice(0, 256) })).changed, false);
});

Deno.test("Resolved refuses the names that exceed 256 domains", async () => {
  const fake = new FakeResolvectl("ngrokd0");
  const names = Array.from({ length: 258 }, (_, i) => `*.svc.n${100 + i}`);
  const { problem, refused } = await make(fake).apply({ ...REQUEST, domains: names });
  assert.deepEqual([problem, fake.domains.length], [undefined, 256]);
  const reason = "systemd-resolved accepts only 256 domains for an interface";
  assert.deepEqual([...refused], names.slice(-2).map((name) => [name, reason]));
});

Deno.test("Resolved reports a failure to revert only if it has made settings", async () => {
  const fake = new FakeResolvectl("ngrokd0");
  const resolver = make(fake);
  fake.failure = { reason: "No such file or directory" };
  // Without any settings, a missing resolvectl is no problem.
  assert.deepEqual([(await resolver.withdraw()).problem, (await resolver.withdraw()).changed], [
    undefined,
    false,
  ]);
  assert.equal(fake.calls.length, 2);
  fake.failure = undefined;
  await resolver.apply(REQUEST);
  fake.failure = { verb: "revert", reason: "Access denied" };
  assert.match((await resolver.withdraw()).problem ?? "", /revert ngrokd0": Access denied$/);
  fake.failure = undefined;
  assert.equal((await resolver.withdraw()).changed, true);
});

Deno.test("Resolved reports an unreadable resolv.conf, and lets a bug through", async () => {
  const fake = new FakeResolvectl("ngrokd0");
  const denied = new FileError("Cannot read x", { path: "x", reason: "denied", hint: "Do y" });
  const unreadable = make(fake, { files: { readBytesIfAny: () => Promise.reject(denied) } });
  const { problem, hint } = await unreadable.apply(REQUEST);
  assert.deepEqual([problem, hint], ["Cannot read x", "Do y"]);
  const faulty = make(fake, { run: () => Promise.reject(new TypeError("bug")) });
  await assert.rejects(faulty.apply(REQUEST), TypeError);
  assert.match(
    (await make(fake, { files: { readBytesIfAny: () => Promise.resolve(undefined) } }).apply(REQUEST))
      .problem ??
      "",
    /names no DNS server$/,
  );
});
