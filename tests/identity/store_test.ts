import { checkTlsPair } from "../../src/system/tls_pair.ts";
import assert from "node:assert/strict";
import { readCertificate } from "../../src/identity/certificate.ts";
import { IdentityStore } from "../../src/identity/store.ts";
import { CertificateError, FileError } from "../../src/model/errors.ts";
import * as files from "../../src/system/files.ts";
import { makeFifo, makeLink } from "../fakes/special_files.ts";
import { TestCa } from "../fakes/test_ca.ts";
import { type IdentityDirectory, identityDirectory, textsOf } from "./identity_files.ts";
import { p384Key } from "./p384_key.ts";

const IS_ROOT = Deno.uid() === 0;
const ca = await TestCa.create();

/** A directory in which a pair is saved. */
async function withPair(): Promise<IdentityDirectory & { pair: { cert: string; key: string } }> {
  const place = await identityDirectory();
  const pair = await ca.pair();
  await place.store().savePair(pair);
  return Object.assign(place, { pair });
}

Deno.test("IdentityStore.load() of a missing directory returns nothing and creates nothing", async () => {
  await using place = await identityDirectory();
  assert.deepEqual(await place.store().load(), { operatorId: undefined, pair: undefined, problems: [] });
  assert.equal(await files.statPath(place.directory), undefined);
});

Deno.test("IdentityStore loads what it saved, with the modes and bytes of docs/compatibility.md 4.5", async () => {
  await using place = await identityDirectory();
  const { store, read, mode } = place;
  const pair = await ca.pair();
  await store().saveOperatorId("k8sop_1");
  const saved = await store().savePair(pair);
  assert.deepEqual(await store().load(), { operatorId: "k8sop_1", pair: saved, problems: [] });
  assert.deepEqual(saved.info, readCertificate(pair.cert));
  for (
    const [name, text, bits] of [
      ["operator_id", "k8sop_1", 0o644],
      ["tls.crt", pair.cert, 0o644],
      ["tls.key", pair.key, 0o600],
    ] as const
  ) {
    assert.deepEqual([await read(name), await mode(name)], [text, bits], name);
  }
  assert.equal(await mode("."), 0o700);
  assert.deepEqual(await files.listDirectory(place.directory), ["operator_id", "tls.crt", "tls.key"]);
});

Deno.test("IdentityStore accepts directories of their own for key and certificate", async () => {
  await using place = await identityDirectory();
  const { directory, path } = place;
  const pair = await ca.pair();
  const store = new IdentityStore({
    directory,
    certPath: path("a/x.pem"),
    keyPath: path("b/y.pem"),
    files,
    checkTls: checkTlsPair,
  });
  await store.savePair(pair);
  assert.deepEqual(textsOf(await store.load()), pair);
});

Deno.test("IdentityStore reads the Go daemon's files: a P-384 key, an id with a line feed, a CSR", async () => {
  await using place = await identityDirectory();
  const { store, write, read } = place;
  const { sec1, csr } = await p384Key();
  const cert = await ca.issue(csr);
  await write("operator_id", " k8sop_2\n");
  await write("tls.crt", cert);
  await write("tls.key", sec1, { mode: 0o600 });
  await write("tls.csr", csr);
  const stored = await store().load();
  assert.deepEqual([stored.operatorId, stored.problems], ["k8sop_2", []]);
  assert.deepEqual(textsOf(stored), { cert, key: sec1 });
  assert.equal(await read("tls.csr"), csr);
});

Deno.test("IdentityStore takes an empty operator_id for none, and reports an invalid one", async () => {
  await using place = await identityDirectory();
  const valid = [["", 0], ["\n", 0]] as const;
  const invalid = ["\0\0\0\0", "../x", "a b", "a".repeat(129)].map((text) => [text, 1] as const);
  for (const [text, problems] of [...valid, ...invalid]) {
    await place.write("operator_id", text);
    const stored = await place.store().load();
    assert.deepEqual([stored.operatorId, stored.problems.length], [undefined, problems], text);
  }
});

Deno.test("IdentityStore.saveOperatorId() refuses an invalid id", async () => {
  await using place = await identityDirectory();
  for (const id of ["", "a b", "../x"]) await assert.rejects(place.store().saveOperatorId(id), RangeError);
  assert.equal(await place.read("operator_id"), undefined);
});

Deno.test("IdentityStore.savePair() writes nothing of a pair that does not fit", async () => {
  await using place = await identityDirectory();
  const { store } = place;
  const [a, b] = await Promise.all([ca.pair(), ca.pair()]);
  await assert.rejects(store().savePair({ cert: a.cert, key: b.key }), CertificateError);
  await assert.rejects(store().savePair({ cert: "", key: a.key }), CertificateError);
  assert.equal(await files.statPath(place.directory), undefined);
  await store().savePair(a);
  await assert.rejects(store().savePair({ cert: b.cert, key: a.key }), CertificateError);
  assert.deepEqual(textsOf(await store().load()), a);
});

// PEM without line ends, and 20,000 more certificates, replaced a pair that worked.
Deno.test("IdentityStore.savePair() stores PEM in normal form, and refuses an endless chain", async () => {
  await using place = await identityDirectory();
  const { store, read } = place;
  const pair = await ca.pair();
  for (
    const cert of [pair.cert.replaceAll("\n", ""), `Dear client,\n${pair.cert}\nregards`, pair.cert + ca.pem]
  ) {
    await store().savePair({ cert, key: pair.key });
    const stored = await read("tls.crt");
    assert.equal(stored, cert.endsWith(ca.pem) ? pair.cert.trimEnd() + "\n" + ca.pem : pair.cert);
    checkTlsPair({ cert: stored!, key: pair.key });
  }
  for (const cert of [pair.cert + ca.pem.repeat(20_000), pair.cert + ca.pem.repeat(10)]) {
    await assert.rejects(store().savePair({ cert, key: pair.key }), { code: "unreadable" });
  }
});

Deno.test("IdentityStore.savePair() keeps the old pair if TLS cannot load the new one", async () => {
  await using place = await identityDirectory();
  const { store, directory, path } = place;
  const [old, pair] = await Promise.all([ca.pair(), ca.pair()]);
  await store().savePair(old);
  const garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  await assert.rejects(store().savePair({ ...pair, cert: pair.cert + garbage }), { code: "unreadable" });
  const refusing = new IdentityStore({
    directory,
    certPath: path("tls.crt"),
    keyPath: path("tls.key"),
    files,
    checkTls: () => {
      throw new Error("BadEncoding");
    },
  });
  await assert.rejects(refusing.savePair(pair), {
    code: "unreadable",
    message: "Cannot use the new certificate: TLS cannot load it (BadEncoding)",
  });
  assert.deepEqual(textsOf(await store().load()), old);
  assert.throws(() => checkTlsPair({ cert: garbage, key: pair.key }), /BadEncoding/);
  assert.throws(() => checkTlsPair({ cert: pair.cert, key: old.key }), /KeyMismatch/);
});

Deno.test("IdentityStore.load() sets a certificate and a key aside that do not fit, and reports them (F18)", async () => {
  await using place = await withPair();
  const { store, write, read, mode, pair } = place;
  const other = await ca.pair();
  await store().saveOperatorId("k8sop_1");
  await write("tls.crt", other.cert);
  const { operatorId, pair: loaded, problems } = await store().load();
  assert.deepEqual([operatorId, loaded, problems.length], ["k8sop_1", undefined, 1]);
  assert.match(
    problems[0]!.message,
    /tls\.crt with .*tls\.key; setting them aside as \*\.bad: .*it does not match the private key/,
  );
  assert.deepEqual([await read("tls.crt.bad"), await read("tls.key.bad")], [other.cert, pair.key]);
  assert.deepEqual([await read("tls.crt"), await read("tls.key")], [undefined, undefined]);
  assert.equal(await mode("tls.key.bad"), 0o600);
  assert.deepEqual(await store().load(), { operatorId: "k8sop_1", pair: undefined, problems: [] });
  await store().savePair(other);
  assert.deepEqual(textsOf(await store().load()), other);
});

Deno.test("IdentityStore.load() sets half a pair aside and reports it, and garbage too", async () => {
  const pair = await ca.pair();
  for (
    const [cert, key] of [
      [pair.cert, undefined],
      [undefined, pair.key],
      ["garbage", pair.key],
      [pair.cert, "garbage"],
      ["", ""],
    ] as const
  ) {
    await using place = await identityDirectory();
    const { store, write, read } = place;
    if (cert !== undefined) await write("tls.crt", cert);
    if (key !== undefined) await write("tls.key", key, { mode: 0o600 });
    const stored = await store().load();
    assert.deepEqual([stored.pair, stored.problems.length], [undefined, 1]);
    assert.deepEqual([await read("tls.crt.bad"), await read("tls.key.bad")], [cert, key]);
    if (key === undefined) assert(stored.problems[0]!.message.endsWith("tls.key is missing"));
  }
});

Deno.test("IdentityStore.load() reports a bad pair that cannot be set aside, and does not use it", async () => {
  await using place = await withPair();
  await place.write("tls.crt", (await ca.pair()).cert);
  const stored = await place.store({
    renameFile: (path) =>
      Promise.reject(new FileError(`Cannot rename ${path}: read-only`, { path, reason: "read_only" })),
  }).load();
  assert.deepEqual([stored.pair, stored.problems.length], [undefined, 3]);
});

Deno.test("IdentityStore.load() throws if a file cannot be read now, which may be good later", async () => {
  await using place = await withPair();
  const cases = [["other", undefined], [
    "denied",
    "Start ngrokd as root or as the owner of the file",
  ]] as const;
  for (const [reason, hint] of cases) {
    const busy = place.store({
      readOwnIfAny: (path, options) =>
        path.endsWith("tls.crt")
          ? Promise.reject(new FileError(`Cannot read ${path}: ${reason}`, { path, reason }))
          : files.readOwnIfAny(path, options),
    });
    await assert.rejects(busy.load(), (error: FileError) => {
      assert.deepEqual([error.name, error.reason, error.hint], ["FileError", reason, hint]);
      return true;
    });
    assert.deepEqual(textsOf(await place.store().load()), place.pair);
  }
});

/** Files in place of the key, with what the report says about them. */
const HOSTILE: readonly (readonly [says: string, make: (path: string) => Promise<unknown>])[] = [
  ...[0o644, 0o640, 0o604, 0o601, 0o660, 0o777].map((mode) =>
    [
      `its mode is 0${mode.toString(8)}, so that others can open it`,
      (path: string) => Deno.chmod(path, mode),
    ] as const
  ),
  ["it is a symbolic link", async (path) => {
    await Deno.rename(path, `${path}.real`);
    await makeLink(`${path}.real`, path);
  }],
  ["it is not a regular file", async (path) => {
    await Deno.remove(path);
    await Deno.mkdir(`${path}/full`, { recursive: true });
  }],
  ["it is not a regular file", async (path) => {
    await Deno.remove(path);
    await makeFifo(path);
  }],
  ["it is larger than 16777216 bytes", (path) => Deno.truncate(path, 1e9)],
  ...(IS_ROOT ? [["its owner is user 1000", (path: string) => Deno.chown(path, 1000, 1000)] as const] : []),
];

for (const name of ["tls.key", "tls.pending"]) {
  Deno.test(`IdentityStore sets a ${name} aside that it must not use, and reports it (F17)`, async () => {
    for (const [says, make] of HOSTILE) {
      await using place = await withPair();
      const { store, path, write, pair } = place;
      if (name !== "tls.key") await write(name, pair.key + pair.cert, { mode: 0o600 });
      // A directory cannot replace an earlier file.
      await write(`${name}.bad`, "earlier");
      await make(path(name));
      const { pair: loaded, problems } = await store().load();
      assert.ok(problems[0]!.message.includes(says), `${says}: ${problems[0]!.message}`);
      assert.ok(problems[0]!.message.endsWith(`; it is kept as ${path(name)}.bad`));
      assert.equal(await files.statPath(path(name)), undefined);
      assert.notEqual((await files.statPath(path(`${name}.bad`)))!.size, "earlier".length);
      assert.deepEqual(loaded === undefined, name === "tls.key");
      await store().savePair(pair);
      assert.deepEqual(textsOf(await store().load()), pair);
    }
  });
}

Deno.test("IdentityStore uses a key with mode 0600 or 0400", async () => {
  await using place = await withPair();
  for (const mode of [0o600, 0o400]) {
    await Deno.chmod(place.path("tls.key"), mode);
    assert.deepEqual(textsOf(await place.store().load()), place.pair);
  }
});

Deno.test("IdentityStore quotes the key in no message", async () => {
  await using place = await withPair();
  const { store, write, pair } = place;
  const { cert } = await ca.pair();
  const secret = pair.key.split("\n")[1]!;
  await write("tls.crt", cert);
  await write("tls.pending", pair.key + cert, { mode: 0o600 });
  const { problems } = await store().load();
  assert.equal(problems.length, 2);
  assert(!Deno.inspect(problems, { depth: 10 }).includes(secret.slice(8)));
});
