import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import type { AddressInfo } from "node:net";
import tls from "node:tls";
import { connectTls } from "../../src/system/connect_tls.ts";
import { type Behaviour, echo, fakeIngress, WELCOME } from "../fakes/fake_ingress.ts";
import { concat, latin1, pattern, readAll, send, text } from "../fakes/memory_stream.ts";
import { route } from "../fakes/routes.ts";
import { until } from "../fakes/sockets.ts";
import { startForwarder, type StartOptions } from "../fakes/start_forwarder.ts";
import { TestCa } from "../fakes/test_ca.ts";

const [ca, stranger] = await Promise.all([TestCa.create(), TestCa.create()]);
const [server, client] = await Promise.all([ca.pair(), ca.pair()]);

/** A forwarder for one tcp endpoint before an ingress with TLS. */
function start(behave: Behaviour, options: StartOptions = {}) {
  return startForwarder([route("tcp://db.internal:5432")], {
    behave,
    tls: server,
    connect: connectTls,
    clientPair: () => client,
    trust: () => [ca.pem],
    ...options,
  });
}

/**
 * An ingress that requires a client certificate of the CA, and answers each request with a success,
 * a line and its end.
 */
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
  const { port } = listener.address() as AddressInfo;
  return {
    target: () => ({ hostname: "localhost", port }),
    names,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
}

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
  Deno.test(`Forwarder presents its certificate over ${version} and delivers early bytes`, async () => {
    await using ingress = await demandingIngress(version);
    await using it = start(echo, { ingress: ingress.target });
    using conn = await it.dial();
    assert.equal(text(await readAll(conn)), "220 ready\r\n");
    assert.deepEqual(ingress.names, ["k8sop_1"]);
  });

  Deno.test(`Forwarder reports that the ingress may refuse its certificate over ${version}`, async () => {
    await using ingress = await demandingIngress(version);
    const foreign = await stranger.pair();
    await using it = start(echo, { ingress: ingress.target, clientPair: () => foreign });
    using conn = await it.dial();
    assert.equal((await readAll(conn)).length, 0);
    const { state, error } = it.forwarder.ingressHealth();
    assert.equal(state, "failing");
    assert.match(
      error!,
      version === "TLSv1.3" ? /closed the connection before it answered/ : /^Cannot connect to localhost:/,
    );
    assert.deepEqual(ingress.names, []);
  });
}

Deno.test("Forwarder refuses an ingress whose CA is not trusted, and gives the next step (F60)", async () => {
  await using it = start(echo, { trust: () => [stranger.pem] });
  using conn = await it.dial();
  assert.equal((await readAll(conn)).length, 0);
  const { state, error, hint } = it.forwarder.ingressHealth();
  assert.equal(state, "failing");
  assert.match(error!, /invalid peer certificate/);
  assert.match(hint!, /ngrokctl trust show/);
  assert.deepEqual(it.ingress.asked, []);
});

Deno.test("Forwarder checks name and CA of a new certificate of the ingress (F62)", async () => {
  const certificates = {
    first: [server, true],
    renewed: [await ca.pair(), true],
    "another name": [await ca.pair({ names: ["other.example"] }), false],
    "another CA": [await stranger.pair(), false],
  } as const;
  let port = 0;
  await using it = start(echo, { ingress: () => ({ hostname: "localhost", port }) });
  for (const [what, [pair, isGood]] of Object.entries(certificates)) {
    await using ingress = fakeIngress(echo, { tls: pair });
    port = ingress.port;
    assert.equal(await it.ask(isGood ? "x" : ""), isGood ? "x" : "", what);
    await until(() => it.forwarder.openConnections === 0);
    assert.equal(it.forwarder.ingressHealth().state, isGood ? "ok" : "failing", what);
  }
});
