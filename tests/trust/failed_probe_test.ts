import assert from "node:assert/strict";
import { IngressDialer } from "../../src/trust/ingress_dialer.ts";
import { TrustSet } from "../../src/trust/trust_set.ts";
import { DialError } from "../../src/model/errors.ts";
import type { ByteStream } from "../../src/system/net.ts";
import { realSystem, type System } from "../../src/system/system.ts";
import { type MadeCert, makeCert } from "../fakes/test_ca.ts";
import { temporaryDirectory } from "../fakes/temporary_directory.ts";
import { type FakeClock, fakeClock } from "../fakes/fake_clock.ts";

const names = ["localhost"];
const ca = await makeCert({ subject: "CN=CA", isCa: true });
const stranger = await makeCert({ subject: "CN=Portal", isCa: true });
const good = [await makeCert({ subject: "CN=x", issuer: ca, names }), ca];
const bad = [await makeCert({ subject: "CN=x", issuer: stranger, names }), stranger];
const TARGET = { hostname: "localhost", port: 443 };

interface World {
  readonly clock: FakeClock;
  readonly dialer: IngressDialer;
  readonly trust: TrustSet;
  /** How often it was looked at. */
  probes: number;
  /** What a look shows; `fail`: nothing; `hang`: nothing until it is broken off. */
  shows: readonly MadeCert[] | "fail" | "hang";
  /** Runs while what a look shows is judged. */
  whileJudged?: (() => void) | undefined;
  /** Whether a dial goes through; else it does once a CA has been learnt. */
  isPublic: boolean;
  /** What a dial comes to: "connected", or the error. */
  connect(): Promise<"connected" | DialError>;
}

/** A dialer in faked time that trusts nothing and may learn `ca`. */
async function inNetwork(task: (world: World) => Promise<void>): Promise<void> {
  await using directory = await temporaryDirectory();
  const trust = new TrustSet({
    files: realSystem().files,
    learntPath: `${directory.path}/learnt.pem`,
    listed: [{ sha256: ca.sha256, subject: ca.certificate.subject }],
  });
  await trust.load("");
  using clock = fakeClock(Date.now());
  await using dialer = new IngressDialer({ connect, probe, trust });
  const world: World = {
    clock,
    dialer,
    trust,
    probes: 0,
    shows: good,
    isPublic: false,
    connect: () =>
      dialer.connect({ ...TARGET, cert: "", key: "", caCerts: [], timeoutMs: 10_000 })
        .then(() => "connected" as const, (error: DialError) => error),
  };
  function connect({ caCerts }: { readonly caCerts: readonly string[] }): Promise<ByteStream> {
    if (world.isPublic || (world.shows === good && caCerts.length > 0)) {
      return Promise.resolve({} as ByteStream);
    }
    const words = "Cannot connect to localhost:443: invalid peer certificate: UnknownIssuer";
    return Promise.reject(new DialError(words, { code: "untrusted" }));
  }
  function probe({ signal }: Parameters<System["probeChain"]>[0]): ReturnType<System["probeChain"]> {
    world.probes++;
    const { shows } = world;
    if (shows === "hang") {
      return new Promise((_, reject) => signal!.addEventListener("abort", () => reject(signal!.reason)));
    }
    if (shows === "fail") {
      return Promise.reject(
        new DialError("Cannot see the certificates of localhost:443: no answer in 5 s", { code: "other" }),
      );
    }
    const certificates = shows.map(({ certificate }) => new Uint8Array(certificate.rawData));
    return Promise.resolve({
      byRoots: "untrusted",
      get certificates() {
        world.whileJudged?.();
        return certificates;
      },
    });
  }
  await task(world);
}

function refused(result: "connected" | DialError): DialError {
  assert.ok(result instanceof DialError, "it is refused");
  return result;
}

Deno.test("IngressDialer learns a CA 5 s after a look that failed (a good ingress was refused for a minute)", async () => {
  await inNetwork(async (world) => {
    world.shows = "fail";
    await world.connect();
    world.shows = good;
    for (let second = 0; second < 5; second++) {
      refused(await world.connect());
      await world.clock.pass(1_000);
    }
    assert.equal(world.probes, 1);
    assert.equal(await world.connect(), "connected");
    assert.equal(world.probes, 2);
    assert.deepEqual(world.trust.cas.map(({ certificate }) => certificate.sha256), [ca.sha256]);
    assert.equal(world.dialer.probeFailure, undefined);
  });
});

Deno.test("IngressDialer says that a certificate could not be looked at, and not to trust its CA (it said to give that in server.ingress_ca) (F60)", async () => {
  await inNetwork(async (world) => {
    world.shows = "fail";
    const { message, hint, code } = refused(await world.connect());
    assert.equal(code, "untrusted");
    assert.equal(
      message,
      "Cannot connect to localhost:443: invalid peer certificate: UnknownIssuer; its certificate could not be " +
        "looked at (Cannot see the certificates of localhost:443: no answer in 5 s)",
    );
    assert.match(hint!, /ngrokctl trust show$/);
    assert.ok(!/ingress_ca|trust fetch/.test(hint!), hint);
    // What was seen of another network explains nothing any more.
    world.shows = bad;
    await world.clock.pass(5_000);
    assert.match(refused(await world.connect()).message, /"CN=Portal" .* which is not trusted$/);
    world.shows = "fail";
    await world.clock.pass(60_000);
    assert.match(refused(await world.connect()).message, /could not be looked at/);
  });
});

Deno.test("IngressDialer probes at once after a wake, whatever was seen before it (the pause of another network went on)", async () => {
  for (const before of ["fail", bad] as const) {
    await inNetwork(async (world) => {
      world.shows = before;
      refused(await world.connect());
      world.shows = good;
      refused(await world.connect());
      assert.equal(world.probes, 1);
      world.dialer.retryProbe();
      assert.equal(await world.connect(), "connected");
      assert.equal(world.probes, 2);
    });
  }
});

Deno.test("IngressDialer breaks off a look over the earlier network at a wake, and calls it no failure", async () => {
  await inNetwork(async (world) => {
    world.shows = "hang";
    const waiting = world.connect();
    await world.clock.pass(1_000);
    assert.equal(world.probes, 1);
    world.dialer.retryProbe();
    refused(await waiting);
    assert.equal(world.dialer.probeFailure, undefined);
    world.shows = good;
    assert.equal(await world.connect(), "connected");
  });
});

Deno.test("IngressDialer keeps nothing of a look that a wake came into while it was judged", async () => {
  await inNetwork(async (world) => {
    world.shows = bad;
    world.whileJudged = () => world.dialer.retryProbe();
    refused(await world.connect());
    assert.equal(world.dialer.presented, undefined);
    world.whileJudged = undefined;
    world.shows = good;
    assert.equal(await world.connect(), "connected");
  });
});

Deno.test("IngressDialer probes once a minute at an ingress that it trusts and cannot look at", async () => {
  await inNetwork(async (world) => {
    world.isPublic = true;
    world.shows = "fail";
    for (let second = 0; second < 300; second += 2) {
      assert.equal(await world.connect(), "connected");
      await world.clock.pass(2_000);
    }
    assert.equal(world.probes, 5);
  });
});

Deno.test("IngressDialer probes anew if an ingress is refused that was good a moment ago (its reason took a minute) (F60)", async () => {
  await inNetwork(async (world) => {
    assert.equal(await world.connect(), "connected");
    world.shows = bad;
    await world.clock.pass(5_000);
    assert.match(refused(await world.connect()).message, /"CN=Portal" .* which is not trusted$/);
    // From here on it is known why.
    for (let second = 0; second < 50; second++) {
      refused(await world.connect());
      await world.clock.pass(1_000);
    }
    assert.equal(world.probes, 2);
  });
});
