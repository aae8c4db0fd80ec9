import assert from "node:assert/strict";
import { Journal } from "../../src/undo/journal.ts";
import { FileError } from "../../src/model/errors.ts";
import * as files from "../../src/system/files.ts";
import { temporaryDirectory } from "../fakes/temporary_directory.ts";
import { captureLog } from "../fakes/captured_log.ts";

const HOSTS = { kind: "hosts", path: "/etc/hosts", created: false } as const;
const ADDRESSES = { kind: "addresses" } as const;

async function withJournal(body: (path: string, directory: string) => Promise<void>): Promise<void> {
  await using directory = await temporaryDirectory();
  await body(`${directory.path}/journal.json`, directory.path);
}

async function reopened(path: string): Promise<Journal> {
  const journal = new Journal({ path, files });
  assert.equal(await journal.load(), undefined);
  return journal;
}

Deno.test("Journal keeps each change once, in order, over restarts, and the file is gone when all are undone", () =>
  withJournal(async (path, directory) => {
    const first = await reopened(path);
    for (const change of [ADDRESSES, HOSTS, ADDRESSES, HOSTS]) await first.record(change);
    const second = await reopened(path);
    assert.deepEqual(second.changes, [ADDRESSES, HOSTS]);
    assert.deepEqual([second.has(HOSTS), second.has({ ...HOSTS, path: "/other" })], [true, false]);
    await second.strike(ADDRESSES);
    assert.deepEqual((await reopened(path)).changes, [HOSTS]);
    await second.strike(HOSTS);
    await second.strike(HOSTS);
    assert.deepEqual(await Array.fromAsync(Deno.readDir(directory)), []);
  }));

Deno.test("Journal tells changes apart by kind and path", () =>
  withJournal(async (path) => {
    const journal = await reopened(path);
    const resolvConf = {
      kind: "resolv_conf",
      path: "/etc/resolv.conf",
      backup: "/s/resolv.conf.bak",
    } as const;
    const all = [resolvConf, { kind: "resolver_dir", path: "/etc/resolver" }, {
      ...HOSTS,
      path: "/etc/resolver",
    }] as const;
    for (const change of [...all, { ...resolvConf, backup: "/t/resolv.conf.bak" }]) {
      await journal.record(change);
    }
    assert.deepEqual((await reopened(path)).changes, all);
    await journal.strike(all[1]);
    assert.deepEqual(journal.changes, [all[0], all[2]]);
  }));

Deno.test("Journal sets a damaged file aside and says so (F15)", async () => {
  const damaged = ["", "{", "null", '{"version":2,"changes":[]}', '{"version":1,"changes":[{"kind":"rm"}]}'];
  damaged.push('{"version":1,"changes":[{"kind":"hosts","path":"relative","created":false}]}');
  for (
    const change of [
      '{"kind":"resolver_dir","path":"etc"}',
      // What is removed with the change is never another file.
      '{"kind":"resolv_conf","path":"/etc/resolv.conf","backup":"/etc/passwd"}',
    ]
  ) damaged.push(`{"version":1,"changes":[${change}]}`);
  for (const text of damaged) {
    await withJournal(async (path) => {
      await Deno.writeTextFile(path, text);
      const journal = new Journal({ path, files });
      assert.equal(await journal.load(), `${path} is damaged; it is kept as ${path}.bad`);
      assert.deepEqual(journal.changes, []);
      assert.equal(await Deno.readTextFile(`${path}.bad`), text);
    });
  }
});

Deno.test("Journal reports that a change cannot be written down, and knows it all the same (F2)", async () => {
  await using logged = await captureLog();
  const full = new FileError("Cannot write /j: the disk is full", { path: "/j", reason: "full" });
  const journal = new Journal({
    path: "/j",
    files: { ...files, writeFileAtomic: () => Promise.reject(full) },
  });
  await journal.record(HOSTS);
  assert.deepEqual(journal.changes, [HOSTS]);
  assert.match(logged.lines("warning").join(""), /Cannot write down .*the disk is full/);
});

Deno.test("Journal writes down at the next chance what could not be written (it took it for written)", () =>
  withJournal(async (path) => {
    let full = true;
    const journal = new Journal({
      path,
      files: {
        ...files,
        writeFileAtomic: (...args) =>
          full
            ? Promise.reject(new FileError("Cannot write: the disk is full", { path, reason: "full" }))
            : files.writeFileAtomic(...args),
      },
    });
    await journal.record(HOSTS);
    full = false;
    await journal.record(HOSTS);
    assert.deepEqual((await reopened(path)).changes, [HOSTS]);
  }));

Deno.test("Journal learns that a file is made which was there before, and does not forget it", () =>
  withJournal(async (path) => {
    const journal = await reopened(path);
    const made = { ...HOSTS, created: true };
    for (const change of [HOSTS, made, HOSTS]) await journal.record(change);
    assert.deepEqual((await reopened(path)).changes, [made]);
  }));
