import assert from "node:assert/strict";
import { DialError } from "../../src/model/errors.ts";
import type { ByteStream } from "../../src/system/byte_stream.ts";
import { sleep } from "../../src/system/clock.ts";
import type { TlsDialOptions } from "../../src/system/connect_tls.ts";
import { realSystem, type System } from "../../src/system/system.ts";
import { IngressDialer } from "../../src/trust/ingress_dialer.ts";
import { TrustSet } from "../../src/trust/trust_set.ts";
import { captureLog } from "../fakes/captured_log.ts";
import { type FakeClock, fakeClock } from "../fakes/fake_clock.ts";
import { temporaryDirectory } from "../fakes/temporary_directory.ts";
import { type MadeCert, makeCert } from "../fakes/test_ca.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const names = ["localhost"];
const ca = await makeCert({ subject: "CN=CA", isCa: true, untilHours: 24 * 3650 });
const stranger = await makeCert({ subject: "CN=Portal", isCa: true });
const good = [await makeCert({ subject: "CN=x", issuer: ca, names, untilHours: 24 * 90 }), ca];
const bad = [await makeCert({ subject: "CN=x", issuer: stranger, names }), stranger];

interface World {
  readonly clock: FakeClock;
  readonly dialer: IngressDialer;
  readonly trust: TrustSet;
  /** The port of each probe so far. */
  readonly probes: number[];
  /** The ingress's chain. A probe fails with `fail`, and never ends with `hang`. */
  chain: readonly MadeCert[] | "fail" | "hang";
  /** The duration of a probe. */
  probeMs: number;
  /** The time limit of each dial so far. */
  readonly limits: number[];
  /** Runs while the chain is judged. */
  whileJudged?: (() => void) | undefined;
  /** True if the runtime's own CAs verify the ingress. */
  isPublic: boolean;
  /** Dials, and returns "connected" or the error. A background probe has ended then. */
  connect(port?: number): Promise<"connected" | DialError>;
}

/** A dialer in faked time that may learn `ca`. */
async function inNetwork(task: (world: World) => Promise<void>): Promise<void> {
  await using directory = await temporaryDirectory();
  const trust = new TrustSet({
    files: realSystem().files,
    learntPath: `${directory.path}/learnt.pem`,
    listed: [{ sha256: ca.sha256, subject: ca.certificate.subject }],
  });
  await trust.load("");
  using clock = fakeClock(Date.now());
  await using dialer = new IngressDialer({ connect, probeChain, trust });
  const world: World = {
    clock,
    dialer,
    trust,
    probes: [],
    chain: good,
    probeMs: 0,
    limits: [],
    isPublic: false,
    async connect(port = 443) {
      const { probe } = dialer;
      const before = { count: world.probes.length, presented: probe.presented, failure: probe.failure };
      const options = { hostname: "localhost", port, cert: "", key: "", caCerts: [], timeoutMs: 10_000 };
      const result = await dialer.connect(options)
        .then(() => "connected" as const, (error: DialError) => error);
      const isProbing = (): boolean =>
        world.probes.length > before.count && probe.presented === before.presented &&
        probe.failure === before.failure;
      while (result === "connected" && isProbing()) await new Promise((resolve) => setImmediate(resolve));
      return result;
    },
  };
  function connect({ caCerts, timeoutMs }: TlsDialOptions): Promise<ByteStream> {
    world.limits.push(timeoutMs);
    const isTrusted = world.chain !== bad && typeof world.chain !== "string" && caCerts.length > 0;
    if (world.isPublic || isTrusted) return Promise.resolve({} as ByteStream);
    const message = "Cannot connect to localhost:443: invalid peer certificate: UnknownIssuer";
    return Promise.reject(new DialError(message, { code: "untrusted" }));
  }
  async function probeChain(
    { port, signal }: Parameters<System["probeChain"]>[0],
  ): ReturnType<System["probeChain"]> {
    world.probes.push(port);
    if (world.probeMs > 0) await sleep(world.probeMs, { signal });
    const { chain } = world;
    if (chain === "hang") {
      return await new Promise((_, reject) =>
        signal!.addEventListener("abort", () => reject(signal!.reason))
      );
    }
    if (chain === "fail") {
      throw new DialError("Cannot see the certificates: no response within 5 s", { code: "other" });
    }
    const certificates = chain.map(({ certificate }) => new Uint8Array(certificate.rawData));
    return {
      byRoots: world.isPublic ? "trusted" : "untrusted",
      get certificates() {
        world.whileJudged?.();
        return certificates;
      },
    };
  }
  await task(world);
}

function test(name: string, task: (world: World) => Promise<void>): void {
  Deno.test(name, () => inNetwork(task));
}

function refused(result: "connected" | DialError): DialError {
  assert.ok(result instanceof DialError, "it is refused");
  return result;
}

test("IngressDialer probes an ingress that it refuses once a minute, and explains each dial (F60)", async (world) => {
  world.chain = bad;
  for (let second = 0; second < 600; second += 2) {
    assert.match(refused(await world.connect()).message, /which is not trusted$/);
    await world.clock.pass(2_000);
  }
  assert.equal(world.probes.length, 10);
});

test("IngressDialer probes a trusted ingress every 6 hours, and only if it is used (F62)", async (world) => {
  for (let minute = 0; minute < 24 * 60; minute += 5) {
    assert.equal(await world.connect(), "connected");
    await world.clock.pass(5 * MINUTE);
  }
  const { length } = world.probes;
  assert.ok(length >= 4 && length <= 5, `${length} probes in 24 h`);
  assert.deepEqual(world.dialer.probe.presented?.verdict.reasons, []);
  await world.clock.pass(48 * HOUR);
  assert.equal(world.probes.length, length);
});

// It once waited for years.
test("IngressDialer probes again when the last probe is old, also by a clock that was set back (F20)", async (world) => {
  world.isPublic = true;
  const start = Date.now();
  const past = -1000 * 24 * HOUR;
  const steps: [ms: number, probes: number][] = [[0, 1], [HOUR, 1], [past, 2], [past + 7 * HOUR, 3]];
  for (const [ms, count] of steps) {
    world.clock.setDate(start + ms);
    await world.clock.pass(HOUR / 2);
    assert.equal(await world.connect(), "connected");
    assert.equal(world.probes.length, count);
  }
});

test("IngressDialer probes once a minute of use while a certificate is near its expiry", async (world) => {
  world.chain = [await makeCert({ subject: "CN=x", issuer: ca, names, untilHours: 0.05 }), ca];
  for (let second = 0; second < 120; second += 10) {
    assert.equal(await world.connect(), "connected");
    await world.clock.pass(10_000);
  }
  assert.equal(world.probes.length, 2);
});

test("IngressDialer probes another ingress at once and explains its refusal", async (world) => {
  world.chain = bad;
  await world.connect(443);
  assert.match(
    refused(await world.connect(444)).message,
    /^Cannot connect to localhost:444: the ingress's certificate is signed by/,
  );
  assert.deepEqual(world.probes, [443, 444]);
});

// It once refused a good ingress for a minute.
test("IngressDialer learns a CA 5 s after a probe that failed", async (world) => {
  world.chain = "fail";
  await world.connect();
  world.chain = good;
  for (let second = 0; second < 5; second++) {
    refused(await world.connect());
    await world.clock.pass(1_000);
  }
  assert.equal(world.probes.length, 1);
  assert.equal(await world.connect(), "connected");
  assert.equal(world.probes.length, 2);
  assert.deepEqual(world.trust.cas.map(({ certificate }) => certificate.sha256), [ca.sha256]);
  assert.equal(world.dialer.probe.failure, undefined);
});

test("IngressDialer has one deadline for the dial, the probe and the second dial", async (world) => {
  world.probeMs = 4_000;
  const connecting = world.connect();
  await world.clock.pass(4_000);
  assert.equal(await connecting, "connected");
  assert.deepEqual(world.limits, [10_000, 6_000]);
  await world.clock.pass(5_000);
  world.chain = bad;
  world.probeMs = 11_000;
  const refusing = world.connect();
  await world.clock.pass(10_000);
  assert.match(refused(await refusing).message, /UnknownIssuer$/);
  assert.equal(world.probes.length, 2);
});

// The hint once said to give the CA in server.ingress_ca.
test("IngressDialer reports that a probe failed, and does not advise to trust the CA (F60)", async (world) => {
  await using logged = await captureLog();
  world.chain = "fail";
  const { message, hint, code } = refused(await world.connect());
  assert.equal(code, "untrusted");
  assert.equal(
    message,
    "Cannot connect to localhost:443: invalid peer certificate: UnknownIssuer; its certificates could not be read " +
      "(Cannot see the certificates: no response within 5 s)",
  );
  assert.match(hint!, /ngrokctl trust show$/);
  assert.ok(!/ingress_ca|trust fetch/.test(hint!), hint);
  await world.clock.pass(5_000);
  refused(await world.connect());
  assert.equal(world.probes.length, 2);
  // Scripts search the log for "cert".
  assert.deepEqual(logged.lines("warning"), [
    "Cannot read the ingress's certificates: Cannot see the certificates: no response within 5 s",
  ]);
  // The result of a probe over another network explains nothing.
  world.chain = bad;
  await world.clock.pass(5_000);
  assert.match(refused(await world.connect()).message, /"CN=Portal" .* which is not trusted$/);
  world.chain = "fail";
  await world.clock.pass(60_000);
  assert.match(refused(await world.connect()).message, /could not be read/);
});

for (const [what, before] of [["failed", "fail"], ["found reasons", bad]] as const) {
  test(`IngressProbe.retry() ends the pause after a probe that ${what}`, async (world) => {
    world.chain = before;
    refused(await world.connect());
    world.chain = good;
    refused(await world.connect());
    assert.equal(world.probes.length, 1);
    world.dialer.probe.retry();
    assert.equal(await world.connect(), "connected");
    assert.equal(world.probes.length, 2);
  });
}

test("IngressProbe.retry() aborts a running probe, which is not a failure", async (world) => {
  world.chain = "hang";
  const waiting = world.connect();
  await world.clock.pass(1_000);
  assert.equal(world.probes.length, 1);
  world.dialer.probe.retry();
  refused(await waiting);
  assert.equal(world.dialer.probe.failure, undefined);
  world.chain = good;
  assert.equal(await world.connect(), "connected");
});

test("IngressProbe.retry() discards a probe whose chain is being judged", async (world) => {
  world.chain = bad;
  world.whileJudged = () => world.dialer.probe.retry();
  refused(await world.connect());
  assert.equal(world.dialer.probe.presented, undefined);
  world.whileJudged = undefined;
  world.chain = good;
  assert.equal(await world.connect(), "connected");
});

test("IngressDialer probes once a minute if it trusts the ingress but the probes fail", async (world) => {
  world.isPublic = true;
  world.chain = "fail";
  for (let second = 0; second < 300; second += 2) {
    assert.equal(await world.connect(), "connected");
    await world.clock.pass(2_000);
  }
  assert.equal(world.probes.length, 5);
});

// The reason once took a minute.
test("IngressDialer probes again if it refuses an ingress that was good a moment ago (F60)", async (world) => {
  assert.equal(await world.connect(), "connected");
  world.chain = bad;
  await world.clock.pass(5_000);
  assert.match(refused(await world.connect()).message, /"CN=Portal" .* which is not trusted$/);
  for (let second = 0; second < 50; second++) {
    refused(await world.connect());
    await world.clock.pass(1_000);
  }
  assert.equal(world.probes.length, 2, "the reason is known from then on");
});
