import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import type { AddressInfo } from "node:net";
import tls from "node:tls";
import { Forwarder } from "../../src/forward/forwarder.ts";
import { RouteTable } from "../../src/model/route_table.ts";
import { connectTls, listenTcp } from "../../src/system/net.ts";
import { TestCa, type TestPair } from "../fakes/test_ca.ts";
import { type Behaviour, echo, fakeIngress, WELCOME } from "../fakes/fake_ingress.ts";
import { concat, latin1, pattern, readAll, send, text } from "../fakes/memory_stream.ts";
import { route } from "../fakes/routes.ts";
import { until } from "../fakes/sockets.ts";

const ca = await TestCa.create();
const server = await ca.pair();
const client = await ca.pair();

/** A forwarder for one tcp endpoint, with TLS to an ingress on that port. */
function startBefore(ingressPort: number, options: { identity?: TestPair; trust?: readonly string[] } = {}) {
  const { identity = client, trust = [ca.pem] } = options;
  const forwarder = new Forwarder({
    listen: listenTcp,
    connect: connectTls,
    ingress: () => ({ hostname: "localhost", port: ingressPort }),
    identity: () => identity,
    trust: () => trust,
  });
  const port = forwarder.open({ address: "127.0.0.1", port: 0 });
  forwarder.setRoutes(new RouteTable([route("tcp://db.internal:5432", { localPort: port })]));
  return { forwarder, dial: () => Deno.connect({ hostname: "127.0.0.1", port }) };
}

/** A forwarder and its ingress. */
function start(behave: Behaviour, options: { trust?: readonly string[] } = {}) {
  const ingress = fakeIngress(behave, { tls: server });
  const { forwarder, dial } = startBefore(ingress.port, options);
  return {
    forwarder,
    ingress,
    dial,
    async [Symbol.asyncDispose]() {
      await forwarder[Symbol.asyncDispose]();
      await ingress[Symbol.asyncDispose]();
    },
  };
}

/** An ingress that demands a client certificate of the CA, and answers each request with a success, a line and its end. */
async function demandingIngress(version: "TLSv1.2" | "TLSv1.3") {
  const names: string[] = [];
  const sockets = new Set<tls.TLSSocket>();
  const options = {
    ...server,
    ca: [ca.pem],
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: version,
    maxVersion: version,
  };
  const listener = tls.createServer(options, (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    names.push(socket.getPeerCertificate().subject.CN as string);
    socket.once("data", () => socket.end(concat([WELCOME, latin1("220 ready\r\n")])));
  });
  listener.on("tlsClientError", () => {});
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  return {
    port: (listener.address() as AddressInfo).port,
    names,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

Deno.test("Forwarder passes half-closes on over TLS in both directions (F57)", async () => {
  const bulk = pattern(2_000_064);
  const uploaded = Promise.withResolvers<Uint8Array>();
  await using it = start(async (conn) => {
    await send(conn, WELCOME);
    await readAll(conn);
    await send(conn, bulk);
  });
  using first = await it.dial();
  await send(first, "request");
  await first.closeWrite();
  assert.equal(sha256(await readAll(first)), sha256(bulk));

  it.ingress.behave = async (conn) => {
    await send(conn, concat([WELCOME, latin1("bye")]));
    await conn.closeWrite();
    uploaded.resolve(await readAll(conn));
  };
  using second = await it.dial();
  assert.equal(text(await readAll(second)), "bye");
  await send(second, bulk);
  await second.closeWrite();
  assert.equal(sha256(await uploaded.promise), sha256(bulk));
});

Deno.test("Forwarder moves 64 MiB each way at once without losing a byte", async () => {
  await using it = start(echo);
  const block = pattern(1 << 20);
  const sent = createHash("sha256");
  const received = createHash("sha256");
  using conn = await it.dial();
  async function upload(): Promise<void> {
    for (let count = 0; count < 64; count++) {
      block[count] = count;
      sent.update(block);
      await send(conn, block);
    }
    await conn.closeWrite();
  }
  async function download(): Promise<number> {
    const buffer = Buffer.alloc(1 << 16);
    let total = 0;
    for (let count = await conn.read(buffer); count !== null; count = await conn.read(buffer)) {
      received.update(buffer.subarray(0, count));
      total += count;
    }
    return total;
  }
  const [, total] = await Promise.all([upload(), download()]);
  assert.equal(total, 64 << 20);
  assert.equal(received.digest("hex"), sent.digest("hex"));
  await until(() => it.forwarder.openConnections === 0);
  const { bytesIn, bytesOut } = it.forwarder.traffic("ep_db.internal");
  assert.deepEqual([bytesIn, bytesOut], [64 << 20, 64 << 20]);
});

for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
  Deno.test(`Forwarder shows its certificate over ${version} and delivers what comes with the answer`, async () => {
    await using ingress = await demandingIngress(version);
    const { forwarder, dial } = startBefore(ingress.port);
    await using _forwarder = forwarder;
    using conn = await dial();
    assert.equal(text(await readAll(conn)), "220 ready\r\n");
    assert.deepEqual(ingress.names, ["k8sop_1"]);
  });

  Deno.test(`Forwarder says that its certificate may be what the ingress refuses over ${version}`, async () => {
    await using ingress = await demandingIngress(version);
    const stranger = await TestCa.create();
    const { forwarder, dial } = startBefore(ingress.port, { identity: await stranger.pair() });
    await using _forwarder = forwarder;
    using conn = await dial();
    assert.equal((await readAll(conn)).length, 0);
    const { state, error } = forwarder.ingressHealth();
    assert.equal(state, "failing");
    assert.match(
      error!,
      version === "TLSv1.3" ? /closed the connection before it answered/ : /^Cannot connect to localhost:/,
    );
    assert.deepEqual(ingress.names, []);
  });
}

Deno.test("Forwarder does not talk to an ingress that nobody vouches for, and gives the next step (F60)", async () => {
  const stranger = await TestCa.create();
  await using it = start(echo, { trust: [stranger.pem] });
  using conn = await it.dial();
  assert.equal((await readAll(conn)).length, 0);
  const { state, error, hint } = it.forwarder.ingressHealth();
  assert.equal(state, "failing");
  assert.match(error!, /invalid peer certificate/);
  assert.match(hint!, /ngrokctl trust show/);
  assert.deepEqual(it.ingress.asked, []);
});

Deno.test("Forwarder follows an ingress that changes its certificate, and checks the new one for its name and its CA (F62)", async () => {
  const stranger = await TestCa.create();
  const certificates = {
    first: server,
    renewed: await ca.pair(),
    "another name": await ca.pair({ names: ["other.example"] }),
    "another CA": await stranger.pair(),
  };
  const ingress = { port: 0 };
  await using forwarder = new Forwarder({
    listen: listenTcp,
    connect: connectTls,
    ingress: () => ({ hostname: "localhost", port: ingress.port }),
    identity: () => client,
    trust: () => [ca.pem],
  });
  const port = forwarder.open({ address: "127.0.0.1", port: 0 });
  forwarder.setRoutes(new RouteTable([route("tcp://db.internal:5432", { localPort: port })]));
  for (const [what, pair] of Object.entries(certificates)) {
    await using now = fakeIngress(echo, { tls: pair });
    ingress.port = now.port;
    using conn = await Deno.connect({ hostname: "127.0.0.1", port });
    const isGood = pair === certificates.first || pair === certificates.renewed;
    if (isGood) await send(conn, "x");
    await conn.closeWrite();
    assert.equal(text(await readAll(conn)), isGood ? "x" : "", what);
    await until(() => forwarder.openConnections === 0);
    assert.equal(forwarder.ingressHealth().state, isGood ? "ok" : "failing", what);
  }
});
