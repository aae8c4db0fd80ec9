import assert from "node:assert/strict";
import { IngressDialer } from "../../src/trust/ingress_dialer.ts";
import { TrustSet } from "../../src/trust/trust_set.ts";
import { DialError } from "../../src/model/errors.ts";
import type { ByteStream } from "../../src/system/net.ts";
import { realSystem } from "../../src/system/system.ts";
import { type MadeCert, makeCert } from "../fakes/test_ca.ts";
import { temporaryDirectory } from "../fakes/temporary_directory.ts";
import { type FakeClock, fakeClock } from "../fakes/fake_clock.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const ca = await makeCert({ subject: "CN=CA", isCa: true, untilHours: 24 * 3650 });
const stranger = await makeCert({ subject: "CN=Stranger", isCa: true });
const good = await makeCert({ subject: "CN=x", issuer: ca, names: ["localhost"], untilHours: 24 * 90 });
const bad = await makeCert({ subject: "CN=x", issuer: stranger, names: ["localhost"] });

interface World {
  readonly clock: FakeClock;
  /** How often each port was looked at. */
  readonly probes: Map<number, number>;
  readonly dialer: IngressDialer;
  connect(port?: number): Promise<string>;
}

/** A dialer in faked time whose ingress presents a chain, and that trusts `ca`. */
async function facing(chain: readonly MadeCert[], task: (world: World) => Promise<void>): Promise<void> {
  await using directory = await temporaryDirectory();
  const file = `${directory.path}/ca.pem`;
  await Deno.writeTextFile(file, ca.pem);
  const trust = new TrustSet({ files: realSystem().files, learntPath: `${directory.path}/learnt.pem` });
  await trust.load(file);
  const probes = new Map<number, number>();
  const isGood = chain[0] !== bad;
  using clock = fakeClock(Date.now());
  await using dialer = new IngressDialer({
    connect: () =>
      isGood
        ? Promise.resolve({} as ByteStream)
        : Promise.reject(new DialError("invalid peer certificate", { code: "untrusted" })),
    probe({ port }) {
      probes.set(port, (probes.get(port) ?? 0) + 1);
      const certificates = chain.map(({ certificate }) => new Uint8Array(certificate.rawData));
      return Promise.resolve({ certificates, byRoots: "untrusted" });
    },
    trust,
  });
  await task({
    clock,
    probes,
    dialer,
    async connect(port = 443) {
      const [seen, before] = [dialer.presented, probes.get(port)];
      const options = { hostname: "localhost", port, cert: "", key: "", caCerts: [], timeoutMs: 1000 };
      const result = await dialer.connect(options).then(() => "connected", (error: Error) => error.message);
      // A look after a success is not waited for by the connection.
      while (probes.get(port) !== before && dialer.presented === seen) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      return result;
    },
  });
}

Deno.test("IngressDialer looks at an ingress that it refuses once a minute, however many dial it, and explains each dial (F60)", async () => {
  await facing([bad, stranger], async ({ clock, probes, connect }) => {
    for (let second = 0; second < 600; second += 2) {
      assert.match(await connect(), /which is not trusted$/);
      await clock.pass(2_000);
    }
    assert.equal(probes.get(443), 10);
  });
});

Deno.test("IngressDialer looks at an ingress that it trusts every 6 hours of use, and not while it is not used (F62)", async () => {
  await facing([good, ca], async ({ clock, probes, connect, dialer }) => {
    for (let minute = 0; minute < 24 * 60; minute += 5) {
      assert.equal(await connect(), "connected");
      await clock.pass(5 * MINUTE);
    }
    const used = probes.get(443)!;
    assert.ok(used >= 4 && used <= 5, `${used} looks in 24 h`);
    assert.deepEqual(dialer.presented?.verdict.reasons, []);
    await clock.pass(48 * HOUR);
    assert.equal(probes.get(443), used);
  });
});

Deno.test("IngressDialer waits for the successor of a certificate that is near its end, once a minute of use", async () => {
  const ending = await makeCert({ subject: "CN=x", issuer: ca, names: ["localhost"], untilHours: 0.05 });
  await facing([ending, ca], async ({ clock, probes, connect }) => {
    for (let second = 0; second < 120; second += 10) {
      assert.equal(await connect(), "connected");
      await clock.pass(10_000);
    }
    assert.equal(probes.get(443), 2);
  });
});

Deno.test("IngressDialer looks at another ingress at once: what it saw of the last one explained nothing", async () => {
  await facing([bad, stranger], async ({ probes, connect }) => {
    await connect(443);
    assert.match(
      await connect(444),
      /^Cannot connect to localhost:444: the ingress's certificate is signed by/,
    );
    assert.deepEqual([...probes], [[443, 1], [444, 1]]);
  });
});
