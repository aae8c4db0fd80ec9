import assert from "node:assert/strict";
import { type IdentityFiles, IdentityStore, type StoredIdentity } from "../../src/identity/store.ts";
import { CertificateError, FileError } from "../../src/model/errors.ts";
import {
  listDirectory,
  makeDirectory,
  readTextIfAny,
  removeFile,
  renameFile,
  statPath,
  writeFileAtomic,
} from "../../src/system/files.ts";
import { TestCa } from "../fakes/test_ca.ts";
import { p384Key } from "./p384_key.ts";

const FILES: IdentityFiles = {
  makeDirectory,
  readTextIfAny,
  removeFile,
  renameFile,
  statPath,
  writeFileAtomic,
};
const WRITES = ["makeDirectory", "removeFile", "renameFile", "writeFileAtomic"] as const;
const ca = await TestCa.create();

interface Place {
  readonly directory: string;
  path(name: string): string;
  store(files?: IdentityFiles): IdentityStore;
  read(name: string): Promise<string | undefined>;
  mode(name: string): Promise<number>;
}

async function inDirectory(body: (place: Place) => Promise<void>): Promise<void> {
  const root = await Deno.makeTempDir();
  const directory = `${root}/ngrokd`;
  const path = (name: string) => `${directory}/${name}`;
  try {
    await body({
      directory,
      path,
      store: (files = FILES) =>
        new IdentityStore({ directory, certPath: path("tls.crt"), keyPath: path("tls.key"), files }),
      read: (name) => readTextIfAny(path(name)),
      mode: async (name) => ((await Deno.lstat(path(name))).mode ?? 0) & 0o7777,
    });
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

/** The files, dying at the k-th write (from 0): before it, or when it is done. Everything after fails too, as after a SIGKILL. */
function dyingAt(k: number, when: "before" | "after"): IdentityFiles & { done: number } {
  const files = { ...FILES, done: 0 };
  for (const name of WRITES) {
    files[name] = async (path: string, ...rest: never[]) => {
      const step = files.done++;
      if (step > k || (step === k && when === "before")) throw new Error("killed");
      await (FILES[name] as (path: string, ...rest: never[]) => Promise<void>)(path, ...rest);
      if (step === k) throw new Error("killed");
    };
  }
  return files;
}

/** Deno makes no links and no FIFOs under a scoped set. */
async function makeBy(program: string, ...args: string[]): Promise<void> {
  assert((await new Deno.Command(program, { args }).output()).success);
}

function texts(stored: StoredIdentity): { cert: string; key: string } | undefined {
  return stored.pair === undefined ? undefined : { cert: stored.pair.cert, key: stored.pair.key };
}

Deno.test("load() of a directory that does not exist gives nothing and makes nothing", () =>
  inDirectory(async ({ store, directory }) => {
    assert.deepEqual(await store().load(), { operatorId: undefined, pair: undefined, problems: [] });
    assert.equal(await statPath(directory), undefined);
  }));

Deno.test("what was saved is loaded, with the modes and bytes of COMPAT.md 4.5", () =>
  inDirectory(async ({ store, read, mode, directory }) => {
    const pair = await ca.pair();
    await store().saveOperatorId("k8sop_1");
    const saved = await store().savePair({ cert: pair.cert, key: pair.key });
    assert.deepEqual(await store().load(), { operatorId: "k8sop_1", pair: saved, problems: [] });
    assert.equal(saved.info.subject, "CN=k8sop_1");
    assert.deepEqual([await read("operator_id"), await read("tls.crt"), await read("tls.key")], [
      "k8sop_1",
      pair.cert,
      pair.key,
    ]);
    assert.deepEqual([await mode("operator_id"), await mode("tls.crt"), await mode("tls.key")], [
      0o644,
      0o644,
      0o600,
    ]);
    assert.equal(await mode("."), 0o700);
    assert.deepEqual(await listDirectory(directory), ["operator_id", "tls.crt", "tls.key"]);
  }));

Deno.test("key and certificate may stand in directories of their own", () =>
  inDirectory(async ({ path, directory }) => {
    const pair = await ca.pair();
    const store = new IdentityStore({
      directory,
      certPath: path("a/x.pem"),
      keyPath: path("b/y.pem"),
      files: FILES,
    });
    await store.savePair({ cert: pair.cert, key: pair.key });
    assert.deepEqual(texts(await store.load()), pair);
  }));

Deno.test("the Go daemon's files are read: P-384 in SEC 1, an id with a line feed, a CSR that is not needed", () =>
  inDirectory(async ({ store, path, directory, read }) => {
    const { sec1, csr } = await p384Key();
    const cert = await ca.issue(csr);
    await Deno.mkdir(directory);
    await Deno.writeTextFile(path("operator_id"), " k8sop_2\n");
    await Deno.writeTextFile(path("tls.crt"), cert);
    await Deno.writeTextFile(path("tls.key"), sec1, { mode: 0o600 });
    await Deno.writeTextFile(path("tls.csr"), csr);
    const stored = await store().load();
    assert.deepEqual([stored.operatorId, texts(stored), stored.problems], [
      "k8sop_2",
      { cert, key: sec1 },
      [],
    ]);
    assert.equal(await read("tls.csr"), csr);
  }));

Deno.test("an empty operator_id means not registered; one that holds something else is reported too", () =>
  inDirectory(async ({ store, path, directory }) => {
    await Deno.mkdir(directory);
    for (
      const [text, problems] of [["", 0], ["\n", 0], ["\0\0\0\0", 1], ["../x", 1], ["a b", 1], [
        "a".repeat(129),
        1,
      ]] as const
    ) {
      await Deno.writeTextFile(path("operator_id"), text);
      const stored = await store().load();
      assert.deepEqual(
        [stored.operatorId, stored.problems.length],
        [undefined, problems],
        JSON.stringify(text),
      );
    }
  }));

Deno.test("saveOperatorId() refuses what load() would", () =>
  inDirectory(async ({ store, read }) => {
    for (const id of ["", "a b", "../x"]) await assert.rejects(store().saveOperatorId(id), RangeError);
    assert.equal(await read("operator_id"), undefined);
  }));

Deno.test("savePair() of a pair that does not fit writes nothing", () =>
  inDirectory(async ({ store, directory }) => {
    const [a, b] = await Promise.all([ca.pair(), ca.pair()]);
    await assert.rejects(store().savePair({ cert: a.cert, key: b.key }), CertificateError);
    await assert.rejects(store().savePair({ cert: "", key: a.key }), CertificateError);
    assert.equal(await statPath(directory), undefined);
    await store().savePair({ cert: a.cert, key: a.key });
    await assert.rejects(store().savePair({ cert: b.cert, key: a.key }), CertificateError);
    assert.deepEqual(texts(await store().load()), a);
  }));

for (const when of ["before", "after"] as const) {
  Deno.test(`a kill ${when} each step of savePair() leaves a pair that fits, and the next load leaves no journal`, async () => {
    const [old, renewed] = await Promise.all([ca.pair(), ca.pair()]);
    const outcomes: string[] = [];
    for (let k = 0;; k++) {
      let ended = false;
      await inDirectory(async ({ store, read }) => {
        await store().savePair({ cert: old.cert, key: old.key });
        const files = dyingAt(k, when);
        await store(files).savePair({ cert: renewed.cert, key: renewed.key }).then(
          () => ended = true,
          () => {},
        );
        const stored = await store().load();
        const text = texts(stored);
        assert(text !== undefined && stored.problems.length === 0, `step ${k}`);
        const isOld = text.cert === old.cert;
        assert.deepEqual(text, isOld ? old : renewed, `step ${k}`);
        assert.deepEqual([await read("tls.crt"), await read("tls.key")], [text.cert, text.key], `step ${k}`);
        assert.equal(await read("tls.pending"), undefined);
        outcomes.push(isOld ? "old" : "new");
      });
      if (ended) break;
    }
    // Three directories, the journal, key, certificate, the journal's removal; the journal is where the change happens.
    const switched = when === "before" ? 4 : 3;
    assert.deepEqual(outcomes, [...Array(switched).fill("old"), ...Array(8 - switched).fill("new")]);
  });
}

Deno.test("a kill at each step of the first savePair() leaves the pair or nothing", async () => {
  const pair = await ca.pair();
  for (let k = 0; k < 7; k++) {
    await inDirectory(async ({ store }) => {
      await assert.rejects(
        store(dyingAt(k, "before")).savePair({ cert: pair.cert, key: pair.key }),
        /killed/,
      );
      const stored = await store().load();
      assert.deepEqual([texts(stored), stored.problems], [k < 4 ? undefined : pair, []]);
    });
  }
});

Deno.test("a kill at each step of finishing an interrupted renewal changes nothing of its outcome", async () => {
  const [old, renewed] = await Promise.all([ca.pair(), ca.pair()]);
  for (let k = 0; k < 3; k++) {
    await inDirectory(async ({ store, read }) => {
      await store().savePair({ cert: old.cert, key: old.key });
      await assert.rejects(
        store(dyingAt(3, "after")).savePair({ cert: renewed.cert, key: renewed.key }),
        /killed/,
      );
      await assert.rejects(store(dyingAt(k, "before")).load(), /killed/);
      assert.deepEqual(texts(await store().load()), renewed);
      assert.equal(await read("tls.key"), renewed.key);
    });
  }
});

Deno.test("an interrupted renewal is used even when the disk cannot be written any more", () =>
  inDirectory(async ({ store }) => {
    const [old, renewed] = await Promise.all([ca.pair(), ca.pair()]);
    await store().savePair({ cert: old.cert, key: old.key });
    await assert.rejects(
      store(dyingAt(4, "after")).savePair({ cert: renewed.cert, key: renewed.key }),
      /killed/,
    );
    const full: IdentityFiles = {
      ...FILES,
      writeFileAtomic: (path) =>
        Promise.reject(new FileError(`Cannot write ${path}: the disk is full`, { path, reason: "full" })),
    };
    const stored = await store(full).load();
    assert.deepEqual(texts(stored), renewed);
    assert.deepEqual(stored.problems.map(({ reason }) => reason), ["full"]);
    assert.deepEqual(texts(await store().load()), renewed);
  }));

Deno.test("a journal that holds no pair is dropped and reported, and the files count", () =>
  inDirectory(async ({ store, path, read }) => {
    const [pair, other] = await Promise.all([ca.pair(), ca.pair()]);
    await store().savePair({ cert: pair.cert, key: pair.key });
    for (const text of ["", "garbage", pair.key, other.key + pair.cert]) {
      await Deno.writeTextFile(path("tls.pending"), text, { mode: 0o600 });
      const stored = await store().load();
      assert.deepEqual([texts(stored), stored.problems.length], [pair, 1]);
      assert.equal(stored.problems[0]!.path, path("tls.pending"));
      assert.equal(await read("tls.pending"), undefined);
    }
  }));

Deno.test("a certificate and a key that do not fit are set aside and reported (F18)", () =>
  inDirectory(async ({ store, path, read, mode }) => {
    const [a, b] = await Promise.all([ca.pair(), ca.pair()]);
    await store().saveOperatorId("k8sop_1");
    await store().savePair({ cert: a.cert, key: a.key });
    await Deno.writeTextFile(path("tls.crt"), b.cert);
    const stored = await store().load();
    assert.deepEqual([stored.operatorId, stored.pair, stored.problems.length], ["k8sop_1", undefined, 1]);
    assert.match(
      stored.problems[0]!.message,
      /tls\.crt with .*tls\.key, and set them aside as \*\.bad: .*the private key is not its own/,
    );
    assert.deepEqual([await read("tls.crt.bad"), await read("tls.key.bad")], [b.cert, a.key]);
    assert.deepEqual([await read("tls.crt"), await read("tls.key"), await mode("tls.key.bad")], [
      undefined,
      undefined,
      0o600,
    ]);
    assert.deepEqual(await store().load(), { operatorId: "k8sop_1", pair: undefined, problems: [] });
    await store().savePair({ cert: b.cert, key: b.key });
    assert.deepEqual(texts(await store().load()), b);
  }));

/** Where to cut a file: anywhere in its marks and round its line ends, and at each seventeenth byte of what is base64. */
function cuts(text: string): number[] {
  return Array.from(text, (_, at) => at)
    .filter((at) => at % 17 === 0 || !/^[^-\n]{3}$/.test(text.slice(at - 1, at + 2)));
}

Deno.test("an identity file that was cut off at any byte is set aside, or does not matter, and load() gives what is whole (F15)", () =>
  inDirectory(async ({ store, path, read }) => {
    const [pair, renewed] = await Promise.all([ca.pair(), ca.pair()]);
    await store().saveOperatorId("k8sop_1");
    await store().savePair({ cert: pair.cert, key: pair.key });
    for (const [name, text] of [["tls.key", pair.key], ["tls.crt", pair.cert]] as const) {
      for (const length of cuts(text)) {
        const part = text.slice(0, length);
        await Deno.writeTextFile(path("tls.key"), pair.key, { mode: 0o600 });
        await Deno.writeTextFile(path("tls.crt"), pair.cert);
        await Deno.writeTextFile(path(name), part);
        await Deno.remove(path(`${name}.bad`)).catch(() => {});
        const stored = await store().load();
        assert.equal(stored.operatorId, "k8sop_1");
        // Without its last line end a PEM file is whole.
        if (part === text.trimEnd()) assert.ok(stored.pair !== undefined && stored.problems.length === 0);
        else {
          assert.deepEqual([stored.pair, stored.problems.length], [undefined, 1], `${name} ${length}`);
          assert.deepEqual([await read(name), await read(`${name}.bad`)], [undefined, part]);
        }
      }
    }
    await store().savePair({ cert: pair.cert, key: pair.key });
    const journal = renewed.key + renewed.cert;
    for (const length of cuts(journal.trimEnd())) {
      await Deno.writeTextFile(path("tls.pending"), journal.slice(0, length), { mode: 0o600 });
      const stored = await store().load();
      assert.deepEqual([texts(stored), stored.problems.length], [pair, 1], `tls.pending ${length}`);
      assert.equal(await read("tls.pending"), undefined);
    }
    for (let length = 0; length < "k8sop_1".length; length++) {
      await Deno.writeTextFile(path("operator_id"), "k8sop_1".slice(0, length));
      assert.equal((await store().load()).operatorId, "k8sop_1".slice(0, length) || undefined);
    }
  }));

Deno.test("half a pair is set aside and reported, and so is garbage", async () => {
  const pair = await ca.pair();
  const cases = [
    [pair.cert, undefined],
    [undefined, pair.key],
    ["garbage", pair.key],
    [pair.cert, "garbage"],
    ["", ""],
  ] as const;
  for (const [cert, key] of cases) {
    await inDirectory(async ({ store, path, directory, read }) => {
      await Deno.mkdir(directory);
      if (cert !== undefined) await Deno.writeTextFile(path("tls.crt"), cert);
      if (key !== undefined) await Deno.writeTextFile(path("tls.key"), key, { mode: 0o600 });
      const stored = await store().load();
      assert.deepEqual([stored.pair, stored.problems.length], [undefined, 1]);
      assert.deepEqual([await read("tls.crt.bad"), await read("tls.key.bad")], [cert, key]);
      if (key === undefined) assert(stored.problems[0]!.message.endsWith("tls.key is missing"));
    });
  }
});

Deno.test("a bad pair that cannot be set aside is reported and not used", () =>
  inDirectory(async ({ store, path }) => {
    const [a, b] = await Promise.all([ca.pair(), ca.pair()]);
    await store().savePair({ cert: a.cert, key: a.key });
    await Deno.writeTextFile(path("tls.crt"), b.cert);
    const fixed: IdentityFiles = {
      ...FILES,
      renameFile: (path) =>
        Promise.reject(new FileError(`Cannot rename ${path}: read-only`, { path, reason: "read_only" })),
    };
    const stored = await store(fixed).load();
    assert.deepEqual([stored.pair, stored.problems.length], [undefined, 3]);
  }));

Deno.test("a key that others can open is refused, with file, mode and the command that helps (F17)", () =>
  inDirectory(async ({ store, path, read }) => {
    const pair = await ca.pair();
    await store().savePair({ cert: pair.cert, key: pair.key });
    for (const mode of [0o644, 0o640, 0o604, 0o601, 0o660, 0o777]) {
      await Deno.chmod(path("tls.key"), mode);
      await assert.rejects(store().load(), (error) => {
        assert(error instanceof FileError && error.path === path("tls.key"));
        assert.equal(
          error.message,
          `Cannot use ${path("tls.key")}: its mode is 0${mode.toString(8)}, so that others can open it`,
        );
        assert.equal(error.hint, `Run: chmod 600 ${path("tls.key")}`);
        return true;
      });
    }
    for (const mode of [0o600, 0o400]) {
      await Deno.chmod(path("tls.key"), mode);
      assert.deepEqual(texts(await store().load()), pair);
    }
    assert.equal(await read("tls.key.bad"), undefined);
  }));

Deno.test("a key that is a symbolic link, a directory or a FIFO is refused (F17)", async () => {
  const pair = await ca.pair();
  const makers: [string, (path: string) => Promise<unknown>][] = [
    ["a symbolic link", async (path) => {
      await Deno.writeTextFile(`${path}.real`, pair.key, { mode: 0o600 });
      await makeBy("ln", "-s", `${path}.real`, path);
    }],
    ["a directory", (path) => Deno.mkdir(path)],
    ["a special file", (path) => makeBy("mkfifo", "-m", "600", path)],
  ];
  for (const [what, make] of makers) {
    await inDirectory(async ({ store, path }) => {
      await store().savePair({ cert: pair.cert, key: pair.key });
      await Deno.remove(path("tls.key"));
      await make(path("tls.key"));
      await assert.rejects(store().load(), {
        name: "FileError",
        reason: "not_regular",
        message: `Cannot use ${path("tls.key")}: it is ${what}`,
      });
    });
  }
});

Deno.test("a key that belongs to neither root nor its directory's owner is refused (F17)", () =>
  inDirectory(async ({ store, path, directory }) => {
    const pair = await ca.pair();
    await store().savePair({ cert: pair.cert, key: pair.key });
    const owned = (key: number, parent: number): IdentityFiles => ({
      ...FILES,
      async statPath(asked) {
        const stat = await statPath(asked);
        return stat &&
          { ...stat, uid: asked === path("tls.key") ? key : asked === directory ? parent : stat.uid };
      },
    });
    await assert.rejects(store(owned(1000, 0)).load(), {
      message: `Cannot use ${path("tls.key")}: it belongs to user 1000, and its directory to user 0`,
      hint: `Run: chown 0 ${path("tls.key")}`,
    });
    await assert.rejects(store(owned(1000, 1001)).load(), FileError);
    for (const files of [owned(0, 1000), owned(1000, 1000), owned(0, 0)]) {
      assert.deepEqual(texts(await store(files).load()), pair);
    }
  }));

Deno.test("a journal that others can open is refused as a key is (F17)", () =>
  inDirectory(async ({ store, path, directory }) => {
    const pair = await ca.pair();
    await Deno.mkdir(directory);
    await Deno.writeTextFile(path("tls.pending"), pair.key + pair.cert);
    await Deno.chmod(path("tls.pending"), 0o644);
    await assert.rejects(store().load(), { hint: `Run: chmod 600 ${path("tls.pending")}` });
  }));

Deno.test("a file that cannot be read is thrown, so that nothing new is written over it", () =>
  inDirectory(async ({ store }) => {
    const pair = await ca.pair();
    await store().savePair({ cert: pair.cert, key: pair.key });
    const unreadable: IdentityFiles = {
      ...FILES,
      readTextIfAny: (path) =>
        path.endsWith("tls.crt")
          ? Promise.reject(
            new FileError(`Cannot read ${path}: permission denied`, { path, reason: "denied" }),
          )
          : readTextIfAny(path),
    };
    await assert.rejects(store(unreadable).load(), { name: "FileError", reason: "denied" });
    assert.deepEqual(texts(await store().load()), pair);
  }));

Deno.test("no message of the store quotes the key", () =>
  inDirectory(async ({ store, path }) => {
    const [a, b] = await Promise.all([ca.pair(), ca.pair()]);
    const secret = a.key.split("\n")[1]!;
    await store().savePair({ cert: a.cert, key: a.key });
    await Deno.writeTextFile(path("tls.crt"), b.cert);
    await Deno.writeTextFile(path("tls.pending"), a.key + b.cert, { mode: 0o600 });
    const { problems } = await store().load();
    assert.equal(problems.length, 2);
    assert(!Deno.inspect(problems, { depth: 10 }).includes(secret.slice(8)));
  }));
