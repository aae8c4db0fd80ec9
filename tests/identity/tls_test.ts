import assert from "node:assert/strict";
import { createServer } from "node:tls";
import type { AddressInfo } from "node:net";
import { once } from "node:events";
import { connectTls } from "../../src/system/connect_tls.ts";
import { TestCa } from "../fakes/test_ca.ts";
import { p384Key } from "./p384_key.ts";

/** The greeting of a server that demands a client certificate, with the subject that it saw. */
async function greet(ca: TestCa, identity: { cert: string; key: string }): Promise<string> {
  const own = await ca.pair({ names: ["localhost"] });
  const server = createServer(
    { ...own, ca: ca.pem, requestCert: true, rejectUnauthorized: true },
    (socket) => {
      socket.end(`hello ${socket.getPeerCertificate().subject.CN}`);
    },
  );
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    const { port } = server.address() as AddressInfo;
    const conn = await connectTls({
      hostname: "localhost",
      port,
      ...identity,
      caCerts: [ca.pem],
      timeoutMs: 5000,
    });
    try {
      const buffer = new Uint8Array(100);
      return new TextDecoder().decode(buffer.subarray(0, await conn.read(buffer) ?? 0));
    } finally {
      conn.close();
    }
  } finally {
    server.close();
    await once(server, "close");
  }
}

Deno.test("TLS accepts a key as generateKey() writes it, also with a chain", async () => {
  const ca = await TestCa.create();
  const { cert, key } = await ca.pair();
  assert.equal(await greet(ca, { cert, key }), "hello k8sop_1");
  assert.equal(await greet(ca, { cert: cert + ca.pem, key }), "hello k8sop_1");
});

Deno.test("TLS accepts the Go daemon's P-384 keys, in SEC 1 and in PKCS #8", async () => {
  const ca = await TestCa.create();
  const { csr, ...forms } = await p384Key();
  const cert = await ca.issue(csr);
  for (const key of Object.values(forms)) assert.equal(await greet(ca, { cert, key }), "hello k8sop_1");
});

Deno.test("TLS refuses a key that does not fit", async () => {
  const ca = await TestCa.create();
  const [a, b] = await Promise.all([ca.pair(), ca.pair()]);
  await assert.rejects(greet(ca, { cert: a.cert, key: b.key }), { name: "DialError", code: "identity" });
});
