import assert from "node:assert/strict";
import { DialGate } from "../../src/forward/admission/dial_gate.ts";
import { IngressHealth } from "../../src/forward/ingress_health.ts";
import { PathProbe } from "../../src/forward/path_probe.ts";
import { probePath } from "../../src/forward/probe_path.ts";
import { Attempts } from "../../src/lib/attempts.ts";
import { DialError, UpgradeError } from "../../src/model/errors.ts";
import type { Route } from "../../src/model/route_table.ts";
import type { ByteStream } from "../../src/system/byte_stream.ts";
import { withDeadline } from "../../src/system/clock.ts";
import type { TlsDialOptions } from "../../src/system/connect_tls.ts";
import { captureLog } from "../fakes/captured_log.ts";
import { fakeClock } from "../fakes/fake_clock.ts";
import { answerFrame, fakeIngress, WELCOME } from "../fakes/fake_ingress.ts";
import { readAll, send, text } from "../fakes/memory_stream.ts";
import { route } from "../fakes/routes.ts";
import { until } from "../fakes/sockets.ts";
import { startForwarder } from "../fakes/start_forwarder.ts";

const HTTP = route("http://a.x:80");
const OTHER = route("http://b.x:80");
const TCP = route("tcp://db.x:5432");
const OFFLINE = answerFrame({ 3: "ERR_NGROK_3200", 4: "offline" });
const REFUSED = new DialError("Cannot connect to i:443: connection refused", { code: "refused" });

/**
 * The behaviour of the ingress: an answer, an error of the dial, or nothing at all; or an answer
 * for each host.
 */
type Ingress = Uint8Array | DialError | "hang" | ((host: string) => Uint8Array | undefined);

/** A probe under a fake clock, with an ingress in memory. */
class Probed implements AsyncDisposable {
  readonly health = new IngressHealth();
  readonly attempts = new Attempts();
  /** The seconds of each dial, and the bytes of the upgrade that it carried. */
  readonly dials: number[] = [];
  readonly asked: string[] = [];
  ingress: Ingress = WELCOME;
  hostname = "i";
  cert: string | undefined = "c";
  routes: Route[] = [HTTP];
  intervalMs = 300_000;
  mayUpgrade = true;
  open = 0;
  readonly clock = fakeClock();
  readonly probe: PathProbe;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  constructor(changes: Partial<Probed> = {}) {
    Object.assign(this, changes);
    this.probe = new PathProbe({
      access: {
        connect: (options) => this.#connect(options),
        ingress: () => ({ hostname: this.hostname, port: 443 }),
        clientPair: () => this.cert === undefined ? undefined : { cert: this.cert, key: "k" },
        trust: () => [],
      },
      gate: new DialGate(0),
      attempts: this.attempts,
      health: this.health,
      routes: () => this.routes,
      timeoutMs: 10_000,
      intervalMs: () => this.intervalMs,
      mayUpgrade: () => this.mayUpgrade,
    });
    this.#running = this.probe.run(this.#stop.signal);
  }

  /** Lets time pass, and returns the seconds of the dials in it. */
  async seconds(count: number): Promise<number[]> {
    const before = this.dials.length;
    await this.clock.pass(count * 1000);
    return this.dials.slice(before);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.attempts.cancelAll();
    await this.#running;
    this.clock[Symbol.dispose]();
    assert.equal(this.open, 0, "every connection is closed");
  }

  #connect({ timeoutMs, signal }: TlsDialOptions): Promise<ByteStream> {
    this.dials.push(Math.round(performance.now() / 1000));
    if (this.ingress === "hang") {
      const onTimeout = () => new DialError("Cannot connect to i:443: no response", { code: "timeout" });
      return withDeadline(new Promise(() => {}), { ms: timeoutMs, signal, onTimeout });
    }
    if (this.ingress instanceof DialError) return Promise.reject(this.ingress);
    const { ingress } = this;
    const left = typeof ingress === "function" ? [] : [ingress];
    this.open++;
    return Promise.resolve({
      read(buffer) {
        const next = left.shift();
        // An endpoint that hangs: the upgrade's time limit ends it.
        if (left.length === 0 && next?.length === 0) return new Promise(() => {});
        if (next !== undefined) buffer.set(next);
        return Promise.resolve(next?.length ?? null);
      },
      write: (data) => {
        const host = text(data.slice(4, 7));
        this.asked.push(host);
        if (typeof ingress === "function") left.push(ingress(host) ?? new Uint8Array());
        return Promise.resolve(data.length);
      },
      closeWrite: () => Promise.resolve(),
      close: () => void this.open--,
    });
  }
}

Deno.test("PathProbe probes after registration, after changes, and if idle for 5 minutes (R110)", async () => {
  await using it = new Probed({ cert: undefined });
  assert.deepEqual(await it.seconds(600), [], "there is no certificate yet");
  it.cert = "c";
  assert.deepEqual(await it.seconds(10), [602]);
  assert.equal(it.health.report().state, "ok");
  assert.deepEqual(it.asked, ["a.x"]);
  it.hostname = "other";
  assert.deepEqual(await it.seconds(10), [612], "another ingress");
  it.cert = "renewed";
  assert.deepEqual(await it.seconds(10), [622], "another certificate");
  it.routes = [];
  assert.deepEqual(await it.seconds(8), [632], "no endpoint: resolve, connect and TLS");
  it.routes = [HTTP];
  assert.deepEqual(await it.seconds(10), [640], "the first endpoint");
  it.probe.request();
  assert.deepEqual(await it.seconds(12), [650], "another network");
  assert.deepEqual(await it.seconds(600), [950, 1250]);
  it.health.recordSuccess("a.x:80");
  assert.deepEqual(await it.seconds(290), [], "traffic proves the way");
  assert.deepEqual(await it.seconds(20), [1560]);
  assert.equal(it.asked.length, 8);
});

Deno.test("PathProbe retries a failing ingress less and less often; all endpoints are failing (R109)", async () => {
  await using logged = await captureLog();
  await using it = new Probed({ ingress: REFUSED, routes: [HTTP, TCP] });
  assert.deepEqual(await it.seconds(200), [2, 8, 18, 38, 78, 138, 198]);
  const error = "Cannot connect to i:443: connection refused";
  for (const service of ["a.x:80", "db.x:5432"]) assert.equal(it.health.endpoints.errorOf(service), error);
  assert.equal(it.health.check.step, "connect");
  assert.equal(logged.lines("warning").length, 1, "the log has one line for an hour or a day");
  it.ingress = WELCOME;
  assert.deepEqual(await it.seconds(60), [258]);
  assert.equal(it.health.endpoints.errorOf("db.x:5432"), undefined);
  assert.equal(it.health.report().state, "ok");
  assert.deepEqual(logged.lines("info"), ["The ingress answers again"]);
});

Deno.test("PathProbe calls an endpoint failing that the ingress refuses, and not the ingress (R109)", async () => {
  await using logged = await captureLog();
  await using it = new Probed({ ingress: OFFLINE });
  assert.deepEqual(await it.seconds(20), [2, 8, 14], "twice more, to be sure");
  assert.match(it.health.endpoints.errorOf("a.x:80")!, /ERR_NGROK_3200: offline/);
  assert.equal(it.health.report().state, "ok");
  assert.deepEqual(await it.seconds(600), [314, 614], "it is probed again, in case it works");
  assert.equal(logged.lines("warning").length, 1);
  it.ingress = WELCOME;
  await it.seconds(300);
  assert.equal(it.health.endpoints.errorOf("a.x:80"), undefined);
  assert.deepEqual(logged.lines("info"), ["Endpoint a.x:80 answers again"]);
});

Deno.test("PathProbe finds out that a failing endpoint works, although others have traffic (R109)", async () => {
  const error = new UpgradeError("offline", { code: "ERR_NGROK_3200" });
  await using it = new Probed({ routes: [TCP, OTHER] });
  assert.deepEqual(await it.seconds(10), [2]);
  it.health.recordFailure("db.x:5432", error);
  assert.deepEqual(await it.seconds(60), [], "a probe of a tcp endpoint could reach its server");
  for (let count = 0; count < 30; count++) {
    it.health.recordSuccess("b.x:80");
    assert.deepEqual(await it.seconds(20), [], "traffic proves the way");
  }
  for (let count = 0; count < 2; count++) it.health.recordFailure("db.x:5432", error);
  it.asked.length = 0;
  for (let count = 0; count < 60; count++) {
    it.health.recordSuccess("b.x:80");
    await it.seconds(10);
  }
  assert.ok(it.asked.includes("db."), it.asked.join());
  assert.equal(it.health.endpoints.errorOf("db.x:5432"), undefined, "its probe was the first success");
});

const HANGS = new UpgradeError("the ingress does not answer", { code: "timeout" });

// A client that failed at one endpoint made ngrokd probe a healthy MySQL every 5 s.
Deno.test("PathProbe asks for a tcp endpoint once in probe_interval at most (R110)", async () => {
  await using it = new Probed({ routes: [TCP, route("tcp://my.x:3306")] });
  await it.seconds(10);
  for (let count = 0; count < 60; count++) {
    it.health.recordFailure("db.x:5432", HANGS);
    it.probe.request();
    await it.seconds(10);
  }
  const counts = ["db.", "my."].map((host) => it.asked.filter((asked) => asked === host).length);
  assert.ok(counts.every((count) => count > 0 && count <= 3), `${counts} in 610 s`);
});

Deno.test("PathProbe asks for no tcp endpoint while the ingress is unreachable (R110)", async () => {
  await using it = new Probed({ ingress: REFUSED, routes: [TCP] });
  await it.seconds(30);
  it.ingress = WELCOME;
  await it.seconds(600);
  assert.deepEqual([it.asked, it.health.report().state], [[], "ok"]);
});

Deno.test("PathProbe finds in 48 s that packets to the ingress are dropped (R109)", async () => {
  await using logged = await captureLog();
  await using it = new Probed({ ingress: "hang" });
  await it.seconds(47);
  assert.equal(it.health.endpoints.errorOf("a.x:80"), undefined);
  await it.seconds(1);
  assert.match(it.health.endpoints.errorOf("a.x:80")!, /no response/);
  it.ingress = REFUSED;
  await it.seconds(100);
  assert.equal(logged.lines("warning").length, 2, logged.lines("warning").join());
});

// One endpoint that hung made all endpoints failing, and the verdict was down.
Deno.test("PathProbe asks for another endpoint if one does not answer (R109)", async () => {
  for (const other of ["http://b.x:80", "https://b.x:443"]) {
    await using logged = await captureLog();
    await using it = new Probed({ routes: [HTTP, route(other), TCP] });
    it.ingress = (host) => host === "a.x" ? undefined : WELCOME;
    await it.seconds(900);
    const service = other.replace(/^.*\/\//, "");
    assert.match(it.health.endpoints.errorOf("a.x:80")!, /does not answer/, other);
    for (const key of [service, "db.x:5432"]) assert.equal(it.health.endpoints.errorOf(key), undefined, key);
    assert.ok(!it.asked.includes("db."), "a tcp endpoint that works is left alone");
    const line = "Endpoint a.x:80 does not answer a probe";
    assert.deepEqual(logged.lines("warning").map((text) => text.split(":", 2).join(":")), [line], "once");
    it.ingress = () => undefined;
    await it.seconds(900);
    assert.equal(logged.lines("warning").length, 2, "the ingress does not answer");
    assert.match(it.health.endpoints.errorOf("db.x:5432")!, /does not answer/, "no endpoint is answered");
  }
});

// With every second of all probes in one turn, it took up to 8 hours.
Deno.test("PathProbe finds within 10 minutes that failing ones of 50 endpoints work (R109)", async () => {
  const routes = Array.from({ length: 50 }, (_, index) => route(`http://${10 + index}.x:80`));
  const error = new UpgradeError("offline", { code: "ERR_NGROK_3200" });
  for (const count of [1, 5, 49]) {
    await using it = new Probed({ routes });
    await it.seconds(10);
    const failing = routes.slice(-count).map(({ hostname }) => `${hostname}:80`);
    for (const key of failing) for (let index = 0; index < 3; index++) it.health.recordFailure(key, error);
    await it.seconds(620 + 6 * count);
    const left = failing.filter((service) => it.health.endpoints.errorOf(service) !== undefined);
    assert.deepEqual(left, [], `${count} of 50`);
  }
});

Deno.test("PathProbe runs one probe at a time, ends it after 10 s, and repeats a cancelled one (R110)", async () => {
  await using it = new Probed({ ingress: "hang" });
  assert.deepEqual(await it.seconds(4), [2]);
  it.attempts.cancelAll();
  assert.deepEqual(await it.seconds(4), [6], "the network has changed");
  assert.equal(it.health.report().state, "unknown");
  it.probe.request();
  assert.deepEqual(await it.seconds(8), [], "one at a time");
  assert.equal(it.health.check.step, "connect");
  assert.deepEqual(await it.seconds(4), [18]);
});

Deno.test("PathProbe asks for no endpoint with probe_endpoints: false, nor dials with 0 (R110)", async () => {
  await using it = new Probed({ mayUpgrade: false });
  assert.deepEqual(await it.seconds(310), [2, 302]);
  assert.deepEqual([it.asked, it.health.report().state], [[], "ok"]);
  it.health.recordFailure("a.x:80", new UpgradeError("closed", { code: "closed" }));
  assert.equal((await it.seconds(200)).length, 7, "less and less often");
  assert.equal(it.health.report().state, "failing", "a TLS handshake says nothing about upgrades");
  it.intervalMs = 0;
  it.probe.request();
  assert.deepEqual(await it.seconds(1000), []);
});

Deno.test("probePath() ends the connection in order, also if the server speaks first (R110)", async () => {
  const received: string[] = [];
  await using ingress = fakeIngress(async (conn) => {
    await send(conn, WELCOME);
    await send(conn, "5.7.42-log greeting");
    received.push(text(await readAll(conn)));
    await send(conn, "bye");
  });
  await probePath(TCP, {
    access: {
      connect: () => Deno.connect({ hostname: "127.0.0.1", port: ingress.port }),
      ingress: () => ({ hostname: "localhost", port: ingress.port }),
      clientPair: () => ({ cert: "c", key: "k" }),
      trust: () => [],
    },
    gate: new DialGate(0),
    timeoutMs: 5_000,
    signal: new AbortController().signal,
  });
  assert.deepEqual(ingress.asked, [{ host: "db.x", port: 5432 }]);
  assert.deepEqual(received, [""], "an end, and no reset");
});

Deno.test("Forwarder probes after a change of network, without a slot and without traffic (R110)", async () => {
  await using it = startForwarder([HTTP], {
    plan: { slots: 1 },
    probeIntervalMs: () => 300_000,
    probeDelays: { checkMs: 5 },
  });
  const stop = new AbortController();
  const running = it.forwarder.runProbe(stop.signal);
  using conn = await it.dial();
  await send(conn, "GET / HTTP/1.1\r\nHost: a.x\r\n\r\n");
  await conn.read(new Uint8Array(8));
  await until(() => it.ingress.asked.length === 2);
  it.forwarder.retryIngress();
  await until(() => it.ingress.asked.length === 3);
  await until(() => it.ingress.open.size === 1);
  const { open, total, errors } = it.forwarder.traffic("ep_a.x");
  assert.deepEqual([open, total, errors, it.forwarder.openConnections], [1, 1, 0, 1]);
  assert.ok(it.forwarder.ingressCheck().at! > 0);
  stop.abort();
  await running;
});
