import assert from "node:assert/strict";
import { checkPair, readCertificate } from "../../src/identity/certificate.ts";
import { createSigningRequest } from "../../src/identity/csr.ts";
import { publicKeyOf } from "../../src/identity/key.ts";
import { TestCa } from "../fakes/test_ca.ts";
import { p384Key } from "./p384_key.ts";

const ca = await TestCa.create();
const NOT_BEFORE = new Date("2025-10-24T21:16:12Z");
const NOT_AFTER = new Date("2026-01-22T21:16:12Z");

Deno.test("readCertificate() reads serial, issuer, times and key", async () => {
  const { cert, key } = await ca.pair({ notBefore: NOT_BEFORE, notAfter: NOT_AFTER });
  const info = readCertificate(cert);
  assert.match(info.serial, /^[0-9a-f]+$/);
  assert.equal(info.issuer, "CN=Test CA, O=Test");
  assert.deepEqual([info.notBefore, info.notAfter], [NOT_BEFORE.getTime(), NOT_AFTER.getTime()]);
  assert.equal(info.publicKey.toHex(), (await publicKeyOf(key)).toHex());
});

Deno.test("readCertificate() reads the first of several blocks", async () => {
  const { cert } = await ca.pair();
  const { serial } = readCertificate(cert);
  for (
    const text of [
      cert + ca.pem,
      `Subject: x\n${cert}`,
      (cert + ca.pem).replaceAll("\n", "\r\n"),
      cert.trim(),
    ]
  ) {
    assert.equal(readCertificate(text).serial, serial);
  }
  assert.notEqual(readCertificate(ca.pem + cert).serial, serial);
});

Deno.test("readCertificate() refuses a text without a certificate", async () => {
  const { csr, key } = await createSigningRequest();
  const { cert } = await ca.pair();
  const cut = cert.replace(/\n[^\n]*\n-----END/, "\n-----END");
  const garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  for (const text of ["", "x", csr, key, cut, garbage, garbage + cert]) {
    assert.throws(() => readCertificate(text), SyntaxError, text);
  }
});

Deno.test("checkPair() accepts a certificate with its own key, on P-256 and P-384", async () => {
  const { cert, key } = await ca.pair();
  assert.deepEqual(await checkPair(cert + ca.pem, key), readCertificate(cert));
  const { csr, ...keys } = await p384Key();
  const old = await ca.issue(csr);
  for (const form of Object.values(keys)) await checkPair(old, form);
});

Deno.test("checkPair() refuses another certificate's key", async () => {
  const [a, b] = await Promise.all([ca.pair(), ca.pair()]);
  const old = await p384Key();
  for (const key of [b.key, old.sec1]) {
    await assert.rejects(checkPair(a.cert, key), {
      name: "SyntaxError",
      message: "Cannot use the certificate: it does not match the private key",
    });
  }
  await assert.rejects(checkPair(a.cert, ""), SyntaxError);
  await assert.rejects(checkPair(ca.pem + a.cert, a.key), SyntaxError);
});
