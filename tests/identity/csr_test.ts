import assert from "node:assert/strict";
import "reflect-metadata";
import { Pkcs10CertificateRequest } from "@peculiar/x509";
import { createSigningRequest } from "../../src/identity/csr.ts";
import { publicKeyOf } from "../../src/identity/key.ts";

Deno.test("createSigningRequest() signs a request with an empty subject", async () => {
  const { key, csr } = await createSigningRequest();
  assert(
    csr.startsWith("-----BEGIN CERTIFICATE REQUEST-----\n") &&
      csr.endsWith("\n-----END CERTIFICATE REQUEST-----\n"),
  );
  const request = new Pkcs10CertificateRequest(csr);
  assert.equal(request.subject, "");
  assert.equal(await request.verify(), true);
  assert.deepEqual(request.publicKey.algorithm, { name: "ECDSA", namedCurve: "P-256" });
  assert.equal(new Uint8Array(request.publicKey.rawData).toHex(), (await publicKeyOf(key)).toHex());
});

Deno.test("createSigningRequest() makes a new key and request at each call", async () => {
  const [a, b] = await Promise.all([createSigningRequest(), createSigningRequest()]);
  assert.notEqual(a.key, b.key);
  assert.notEqual(a.csr, b.csr);
});
