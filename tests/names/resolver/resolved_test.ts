import assert from "node:assert/strict";
import { FileError } from "../../../src/model/errors.ts";
import { type OwnLink, Resolved, type ResolvedOptions } from "../../../src/names/resolver/resolved.ts";
import type { ResolverRequest } from "../../../src/names/resolver/resolver.ts";
import { FakeResolvectl } from "./fake_resolvectl.ts";

const LINK: OwnLink = { name: "ngrokd0", subnet: { base: 0x0a6b0000, prefix: 16 } };
const WISH: ResolverRequest = {
  server: { address: "10.107.0.1", port: 53 },
  domains: ["b.example", "*.a.example"],
};
const STUB = "# This is the stub file.\nnameserver 127.0.0.53\noptions edns0 trust-ad\nsearch lan\n";
/** The server comes last: without domains it would be asked about every name. */
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

Deno.test("Resolved routes our domains to our server on our interface, and reverts it", async () => {
  const fake = new FakeResolvectl("ngrokd0");
  const resolver = make(fake);
  assert.equal(resolver.target, "systemd-resolved (ngrokd0)");
  assert.deepEqual(await resolver.apply(WISH), { changed: true, refused: new Map(), warnings: [] });
  assert.deepEqual(fake.takeChanges(), APPLIED);
  assert.equal((await resolver.apply(WISH)).changed, false);
  assert.deepEqual(fake.takeChanges(), []);
  assert.equal((await resolver.withdraw()).changed, true);
  assert.deepEqual(fake.takeChanges(), ["revert ngrokd0"]);
});

Deno.test("Resolved names the port only if it is not 53, which old versions cannot", async () => {
  const fake = new FakeResolvectl("ngrokd0");
  await make(fake).apply({ ...WISH, server: { address: "10.107.0.1", port: 5353 } });
  assert.deepEqual(fake.servers, ["10.107.0.1:5353"]);
});

Deno.test("Resolved sets everything again after systemd-resolved restarted, within one attempt (F55)", async () => {
  const fake = new FakeResolvectl("ngrokd0");
  const resolver = make(fake);
  await resolver.apply(WISH);
  fake.restart();
  fake.takeChanges();
  const outcome = await resolver.apply(WISH);
  assert.deepEqual([outcome.changed, outcome.warnings], [true, [
    "systemd-resolved lost the settings of ngrokd0: they are made again",
  ]]);
  assert.deepEqual(fake.takeChanges(), APPLIED);
});

Deno.test("Resolved reports a resolvectl that is missing, fails or prints garbage, and works again when that does (F55)", async () => {
  const fake = new FakeResolvectl("ngrokd0");
  const resolver = make(fake);
  for (const verb of [undefined, "dns", "domain", "dnssec", "dnsovertls", "status"]) {
    fake.failure = { ...(verb === undefined ? {} : { verb }), reason: "No such file or directory" };
    const { changed, problem } = await resolver.apply(WISH);
    assert.equal(changed, false);
    assert.match(
      problem ?? "",
      /^Cannot run "\/usr\/bin\/resolvectl [a-z]+ ngrokd0.*": No such file or directory$/,
    );
    fake.failure = undefined;
    // Nothing was lost that never stood.
    assert.deepEqual(await resolver.apply(WISH), {
      changed: verb !== "status",
      refused: new Map(),
      warnings: [],
    });
    await resolver.withdraw();
  }
  fake.garbage = "Failed to get link data\n";
  assert.match(
    (await resolver.apply(WISH)).problem ?? "",
    /^Cannot read the output of ".*resolvectl dns ngrokd0": /,
  );
  assert.equal(await resolver.observe(), undefined);
});

Deno.test("Resolved does not fight for ever with a program that keeps changing its settings", async () => {
  const fake = new FakeResolvectl("ngrokd0");
  let now = 0;
  const resolver = make(fake, { now: () => now });
  await resolver.apply(WISH);
  let repairs = 0;
  let problem: string | undefined;
  for (let i = 0; i < 60; i++, now += 1000) {
    fake.servers = ["192.168.1.1"];
    const outcome = await resolver.apply(WISH);
    if (outcome.changed) repairs++;
    problem = outcome.problem;
  }
  assert.equal(repairs, 10);
  assert.equal(
    problem,
    "Cannot use systemd-resolved: another program keeps changing its settings of ngrokd0",
  );
});

Deno.test("Resolved is used only where resolv.conf names it first; our own line there does not count", async () => {
  const ours = "# ngrokd managed - do not edit this line\nnameserver 10.107.0.1\n";
  for (const text of [STUB, `${ours}${STUB}`, "nameserver 127.0.0.54\n", `${STUB}nameserver 1.1.1.1\n`]) {
    assert.equal((await make(new FakeResolvectl("ngrokd0"), { text }).apply(WISH)).problem, undefined);
  }
  for (
    const [text, first] of [
      [`nameserver 192.168.1.1\n${STUB}`, "192.168.1.1"],
      ["# nameserver 127.0.0.53\nsearch lan\n", "nobody"],
      ["", "nobody"],
    ] as const
  ) {
    const fake = new FakeResolvectl("ngrokd0");
    const { problem } = await make(fake, { text }).apply(WISH);
    assert.equal(
      problem,
      `Cannot use systemd-resolved: it is not in charge, since /etc/resolv.conf names ${first} first`,
    );
    assert.deepEqual(fake.takeChanges(), []);
  }
});

Deno.test("Resolved needs an interface of our own, and a server that is reached by way of it", async () => {
  const fake = new FakeResolvectl("ngrokd0");
  let link: OwnLink | undefined = LINK;
  const resolver = make(fake, { link: () => link });
  for (const address of ["192.168.1.5", "127.0.0.2", "10.108.0.1"]) {
    const { problem } = await resolver.apply({ ...WISH, server: { address, port: 53 } });
    assert.equal(
      problem,
      `Cannot use systemd-resolved: our server at ${address} cannot be reached by way of ngrokd0`,
    );
  }
  await resolver.apply(WISH);
  link = undefined;
  assert.match(
    (await resolver.apply(WISH)).problem ?? "",
    /: there is no virtual network interface of our own$/,
  );
  assert.deepEqual([resolver.target, await resolver.observe()], [
    "systemd-resolved (no interface)",
    undefined,
  ]);
  assert.equal((await resolver.withdraw()).problem, undefined);
});

Deno.test("Resolved takes its settings back when our server moves to where it cannot be reached", async () => {
  const fake = new FakeResolvectl("ngrokd0");
  const resolver = make(fake);
  await resolver.apply(WISH);
  const outcome = await resolver.apply({ ...WISH, server: { address: "192.168.1.5", port: 53 } });
  assert.deepEqual([outcome.changed, fake.servers], [true, []]);
});

Deno.test("Resolved gives up an interface by way of which nothing is sent after three tries, and tries it again after 5 minutes", async () => {
  const fake = new FakeResolvectl("ngrokd0");
  fake.usable = false;
  let now = 0;
  const resolver = make(fake, { now: () => now });
  const problem = "Cannot use systemd-resolved: it sends nothing by way of ngrokd0";
  for (let i = 0; i < 3; i++) {
    assert.equal((await resolver.apply(WISH)).problem, problem);
    assert.deepEqual(fake.takeChanges(), [...APPLIED, "revert ngrokd0"]);
  }
  fake.usable = true;
  now += 299_000;
  assert.equal((await resolver.apply(WISH)).problem, problem);
  assert.deepEqual(fake.takeChanges(), []);
  now += 1000;
  assert.equal((await resolver.apply(WISH)).problem, undefined);
});

Deno.test("Resolved does not trust what an earlier run left by way of an interface of no use", async () => {
  const fake = new FakeResolvectl("ngrokd0");
  await make(fake).apply(WISH);
  fake.usable = false;
  const { problem, changed } = await make(fake).apply(WISH);
  assert.deepEqual([problem, changed, fake.servers], [
    "Cannot use systemd-resolved: it sends nothing by way of ngrokd0",
    false,
    [],
  ]);
});

Deno.test("Resolved routes 1,000 names with the 256 domains that it may set", async () => {
  const fake = new FakeResolvectl("ngrokd0");
  const names = Array.from({ length: 1000 }, (_, i) => `n${i}.lab.example.com`);
  const resolver = make(fake);
  await resolver.apply({ ...WISH, domains: [...names, "other.test"] });
  assert.deepEqual(fake.domains, ["~lab.example.com", "~other.test"]);
  await resolver.apply({ ...WISH, domains: names.slice(0, 256) });
  assert.equal(fake.domains.length, 256);
  // Read back from many lines.
  assert.equal((await resolver.apply({ ...WISH, domains: names.slice(0, 256) })).changed, false);
});

Deno.test("Resolved leaves alone what it does not need to ask, and reports what it cannot take back", async () => {
  const fake = new FakeResolvectl("ngrokd0");
  const resolver = make(fake);
  fake.failure = { reason: "No such file or directory" };
  // Where nothing was ever set, a resolvectl that is missing is none of our business.
  assert.deepEqual([(await resolver.withdraw()).problem, (await resolver.withdraw()).changed], [
    undefined,
    false,
  ]);
  assert.equal(fake.calls.length, 2);
  fake.failure = undefined;
  await resolver.apply(WISH);
  fake.failure = { verb: "revert", reason: "Access denied" };
  assert.match((await resolver.withdraw()).problem ?? "", /revert ngrokd0": Access denied$/);
  fake.failure = undefined;
  assert.equal((await resolver.withdraw()).changed, true);
});

Deno.test("Resolved reports a resolv.conf that cannot be read, and swallows no fault of its own", async () => {
  const fake = new FakeResolvectl("ngrokd0");
  const denied = new FileError("Cannot read x", { path: "x", reason: "denied", hint: "Do y" });
  const unreadable = make(fake, { files: { readBytesIfAny: () => Promise.reject(denied) } });
  const { problem, hint } = await unreadable.apply(WISH);
  assert.deepEqual([problem, hint], ["Cannot read x", "Do y"]);
  const faulty = make(fake, { run: () => Promise.reject(new TypeError("bug")) });
  await assert.rejects(faulty.apply(WISH), TypeError);
  await assert.rejects(faulty.observe(), TypeError);
  assert.match(
    (await make(fake, { files: { readBytesIfAny: () => Promise.resolve(undefined) } }).apply(WISH)).problem ??
      "",
    /names nobody first$/,
  );
});
