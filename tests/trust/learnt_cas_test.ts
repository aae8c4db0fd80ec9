import assert from "node:assert/strict";
import { realSystem } from "../../src/system/system.ts";
import { LearntCas } from "../../src/trust/learnt_cas.ts";
import { parseCertificate } from "../../src/x509/parse_certificate.ts";
import { makeCert } from "../fakes/test_ca.ts";
import { temporaryDirectory } from "../fakes/temporary_directory.ts";

Deno.test("LearntCas adds a new CA to the valid ones, and drops one that has expired", async () => {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/ingress_ca.pem`;
  const old = await makeCert({ subject: "CN=old", isCa: true, fromHours: -3, untilHours: -1 });
  const valid = await makeCert({ subject: "CN=valid", isCa: true });
  const fresh = await makeCert({ subject: "CN=fresh", isCa: true });
  const listed = [old, valid, fresh].map(({ sha256, certificate: { subject } }) => ({ sha256, subject }));
  await Deno.writeTextFile(path, old.pem + valid.pem);
  const learnt = new LearntCas({ path, listed, files: realSystem().files });
  await learnt.load();
  assert.deepEqual(learnt.cas.map(({ certificate }) => certificate.subject), ["CN=old", "CN=valid"]);
  await learnt.learn(parseCertificate(new Uint8Array(fresh.certificate.rawData)));
  assert.equal(await Deno.readTextFile(path), valid.pem + fresh.pem);
  const again = new LearntCas({ path, listed, files: realSystem().files });
  await again.load();
  assert.deepEqual(again.cas.map(({ certificate }) => certificate.sha256), [valid.sha256, fresh.sha256]);
  assert.equal(again.problem, undefined);
});
