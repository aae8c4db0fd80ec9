import assert from "node:assert/strict";
import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import { checkPair } from "../../src/identity/certificate.ts";
import { checkIssued } from "../../src/identity/check_issued.ts";
import { createSigningRequest } from "../../src/identity/csr.ts";
import { CertificateError } from "../../src/model/errors.ts";
import { CertificateAuthority } from "../../sim/cloud/certificate_authority.ts";
import { TestCa } from "../fakes/test_ca.ts";

const HOUR = 3600_000;
const ca = await TestCa.create();
const nowMs = Date.now();

/** The error about a certificate that is refused. */
async function refusalOf(
  cert: string,
  options: Parameters<typeof checkIssued>[1],
): Promise<CertificateError> {
  const error = await checkIssued(cert, options).then(() => undefined, (reason) => reason);
  assert.ok(error instanceof CertificateError, String(error));
  assert.ok(error.hint !== undefined);
  return error;
}

Deno.test("checkIssued() refuses with an own message what must not replace the certificate in use", async () => {
  const old = await ca.pair();
  const inUse = await checkPair(old.cert, old.key);
  const { key, csr } = await createSigningRequest();
  const at = (from: number, to: number) => ({ notBefore: new Date(from), notAfter: new Date(to) });
  const refusals = [
    await refusalOf("", { key, inUse, nowMs }),
    await refusalOf(old.cert, { key, inUse, nowMs }),
    await refusalOf((await ca.pair()).cert, { key, inUse, nowMs }),
    await refusalOf(await withoutIssuer(csr), { key, inUse, nowMs }),
    await refusalOf(await ca.issue(csr, at(nowMs + HOUR, nowMs + HOUR)), { key, inUse, nowMs }),
    await refusalOf(await ca.issue(csr, at(nowMs - 2 * HOUR, nowMs - HOUR)), { key, inUse, nowMs }),
  ];
  assert.deepEqual(refusals.map(({ code }) => code), [
    "unreadable",
    "old",
    "key",
    "issuer",
    "dates",
    "expired",
  ]);
  assert.equal(new Set(refusals.map(({ message }) => message)).size, refusals.length);
});

Deno.test("checkIssued() accepts a certificate that begins tomorrow: the clock may be slow", async () => {
  const { key, csr } = await createSigningRequest();
  const dates = { notBefore: new Date(nowMs + 24 * HOUR), notAfter: new Date(nowMs + 48 * HOUR) };
  const info = await checkIssued(await ca.issue(csr, dates), { key, nowMs });
  assert.ok(info.notBefore > nowMs);
});

Deno.test("checkIssued() accepts a certificate of another issuer: CAs are replaced in time", async () => {
  const old = await ca.pair();
  const inUse = await checkPair(old.cert, old.key);
  const { key, csr } = await createSigningRequest();
  const other = await CertificateAuthority.create("Another CA");
  const { pem } = await other.issueClient(new x509.Pkcs10CertificateRequest(csr).publicKey, {
    subject: "CN=k8sop_1",
    notBefore: new Date(nowMs),
    lifetimeMs: HOUR,
  });
  const { issuer } = await checkIssued(pem, { key, inUse, nowMs });
  assert.notEqual(issuer, inUse.issuer);
});

async function withoutIssuer(csr: string): Promise<string> {
  const signingAlgorithm = { name: "ECDSA", hash: "SHA-256", namedCurve: "P-256" };
  const keys = await crypto.subtle.generateKey(signingAlgorithm, true, ["sign", "verify"]);
  const certificate = await x509.X509CertificateGenerator.create({
    subject: "CN=k8sop_1",
    issuer: "",
    publicKey: new x509.Pkcs10CertificateRequest(csr).publicKey,
    signingKey: keys.privateKey,
    signingAlgorithm,
    serialNumber: "01",
    notBefore: new Date(nowMs),
    notAfter: new Date(nowMs + HOUR),
  });
  return certificate.toString("pem");
}
