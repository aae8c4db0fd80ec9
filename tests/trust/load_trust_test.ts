import assert from "node:assert/strict";
import { FileError } from "../../src/model/errors.ts";
import { listDirectory, readText } from "../../src/system/files.ts";
import { loadTrust, type Trust, type TrustFiles } from "../../src/trust/load_trust.ts";
import { temporaryDirectory } from "../fakes/temporary_directory.ts";
import { TestCa } from "../fakes/test_ca.ts";

const FILES = { listDirectory, readText };
const [one, two, three] = await Promise.all([TestCa.create(), TestCa.create(), TestCa.create()]);
const GARBAGE = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

/** Loads these files from a directory. The file `ca` is the ingress CA, outside the directory. */
async function trusting(files: Record<string, string>): Promise<Trust & { root: string }> {
  const root = await Deno.makeTempDir();
  try {
    let ingressCa: string | undefined;
    await Deno.mkdir(`${root}/trust`);
    for (const [name, text] of Object.entries(files)) {
      if (name === "ca") ingressCa = `${root}/ca.pem`;
      await Deno.writeTextFile(name === "ca" ? `${root}/ca.pem` : `${root}/trust/${name}`, text);
    }
    return { ...await loadTrust({ ingressCa, directory: `${root}/trust`, files: FILES }), root };
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

Deno.test("loadTrust() returns nothing without files", async () => {
  assert.deepEqual(await loadTrust({ directory: "/nonexistent/ngrok", files: FILES }), {
    cas: [],
    sources: [],
    problems: [],
  });
});

Deno.test("loadTrust() reads all certificates of the ingress CA and the directory, each once", async () => {
  const { root, ...trust } = await trusting({
    "ca": `comment\n${one.pem}${two.pem}`,
    "a.crt": one.pem,
    "b.pem": three.pem.replaceAll("\n", "\r\n"),
    ".hidden": "no certificate",
  });
  const { cas, ...rest } = trust;
  assert.deepEqual(cas.map(({ certificate: { pem }, source, file }) => [pem, source, file]), [
    [one.pem, "ingress_ca", `${root}/ca.pem`],
    [two.pem, "ingress_ca", `${root}/ca.pem`],
    [three.pem, "directory", `${root}/trust/b.pem`],
  ]);
  assert.deepEqual(rest, {
    sources: [`${root}/ca.pem`, `${root}/trust/a.crt`, `${root}/trust/b.pem`],
    problems: [],
  });
});

Deno.test("loadTrust() reports the files that it cannot use, and uses the rest", async () => {
  const { root, cas, sources, problems } = await trusting({
    "a.crt": one.pem,
    "empty": "",
    "garbage.crt": two.pem + GARBAGE,
    "readme.txt": "put certificates here",
  });
  assert.deepEqual([cas.map(({ certificate }) => certificate.pem), sources], [[one.pem], [
    `${root}/trust/a.crt`,
  ]]);
  assert.deepEqual(
    problems.map(({ path }) => path),
    ["empty", "garbage.crt", "readme.txt"].map((name) => `${root}/trust/${name}`),
  );
  assert.equal(problems[0]!.message, `Cannot trust ${root}/trust/empty: it holds no PEM certificate`);
  assert.match(problems[1]!.message, /Cannot read the certificate/);
});

Deno.test("loadTrust() reports a missing ingress CA and a directory that cannot be listed", async () => {
  const missing = await loadTrust({
    ingressCa: "/nonexistent/ca.pem",
    directory: "/nonexistent/ngrok",
    files: FILES,
  });
  assert.deepEqual(missing.problems.map(({ reason }) => reason), ["missing"]);
  const refused = await loadTrust({
    directory: "/etc/ssl/certs/ngrok",
    files: {
      readText,
      listDirectory: (path) =>
        Promise.reject(new FileError(`Cannot list ${path}: not allowed`, { path, reason: "not_capable" })),
    },
  });
  assert.deepEqual(refused.problems.map(({ reason }) => reason), ["not_capable"]);
});

Deno.test("loadTrust() rejects with any other error than FileError", async () => {
  const files = { readText, listDirectory: () => Promise.reject(new TypeError("a defect")) };
  await assert.rejects(loadTrust({ directory: "/x", files }), TypeError);
});

// A reload while a CA file was damaged, or its disk full, cut every connection to the ingress.
Deno.test("loadTrust() keeps the CAs of the last load whose file cannot be read now", async () => {
  await using root = await temporaryDirectory();
  const [ca, directory] = [`${root.path}/ca.pem`, `${root.path}/trust`];
  await Deno.mkdir(directory);
  await Deno.writeTextFile(ca, one.pem);
  await Deno.writeTextFile(`${directory}/a.pem`, two.pem);
  await Deno.writeTextFile(`${directory}/b.pem`, three.pem);
  const load = async (last: Trust | undefined, ingressCa = ca, files: TrustFiles = FILES) => {
    const trust = await loadTrust({ ingressCa, directory, files, last: last?.cas ?? [] });
    return { trust, pems: new Set(trust.cas.map(({ certificate }) => certificate.pem)) };
  };
  const first = (await load(undefined)).trust;
  await Deno.writeTextFile(ca, "");
  await Deno.writeTextFile(`${directory}/a.pem`, GARBAGE);
  const damaged = await load(first);
  assert.deepEqual(damaged.pems, new Set([one.pem, two.pem, three.pem]));
  assert.equal(damaged.trust.problems.length, 2);
  const renamed = await load(damaged.trust, `${root.path}/missing.pem`);
  assert.deepEqual(renamed.pems, new Set([one.pem, two.pem, three.pem]));
  assert.deepEqual(new Set(renamed.trust.sources), new Set([ca, `${directory}/a.pem`, `${directory}/b.pem`]));
  const failure = new FileError("I/O error", { path: directory, reason: "other" });
  const fails = { ...FILES, listDirectory: () => Promise.reject(failure) };
  assert.deepEqual((await load(damaged.trust, ca, fails)).pems, new Set([one.pem, two.pem, three.pem]));
  // A file that was removed on purpose is not trusted any more.
  await Deno.remove(`${directory}/a.pem`);
  await Deno.writeTextFile(ca, three.pem);
  assert.deepEqual((await load(damaged.trust)).pems, new Set([three.pem]));
});
