import assert from "node:assert/strict";
import { dirname } from "node:path";
import { type Change, Journal } from "../../src/undo/journal.ts";
import { FileError } from "../../src/model/errors.ts";
import * as files from "../../src/system/files.ts";
import { captureLog } from "../fakes/captured_log.ts";
import { temporaryDirectory } from "../fakes/temporary_directory.ts";

const HOSTS = { kind: "hosts", path: "/etc/hosts", created: false } as const;
const ADDRESSES = { kind: "addresses" } as const;
const RESOLV_CONF = {
  kind: "resolv_conf",
  path: "/etc/resolv.conf",
  backup: "/s/resolv.conf.bak",
} as const;

async function withJournal(body: (path: string) => Promise<void>): Promise<void> {
  await using directory = await temporaryDirectory();
  await body(`${directory.path}/journal.json`);
}

async function reopened(path: string): Promise<Journal> {
  const journal = new Journal(path, files);
  assert.deepEqual(await journal.load(), []);
  return journal;
}

Deno.test("Journal keeps each change once and in order over restarts, and removes its file at the end", () =>
  withJournal(async (path) => {
    const first = await reopened(path);
    for (const change of [ADDRESSES, HOSTS, ADDRESSES, HOSTS]) await first.record(change);
    const second = await reopened(path);
    assert.deepEqual(second.changes, [ADDRESSES, HOSTS]);
    assert.deepEqual([second.has(HOSTS), second.has({ ...HOSTS, path: "/other" })], [true, false]);
    await second.strike(ADDRESSES);
    assert.deepEqual((await reopened(path)).changes, [HOSTS]);
    await second.strike(HOSTS);
    await second.strike(HOSTS);
    assert.deepEqual(await files.listDirectory(dirname(path)), []);
  }));

Deno.test("Journal distinguishes changes by kind and path", () =>
  withJournal(async (path) => {
    const journal = await reopened(path);
    const resolverDir = { kind: "resolver_dir", path: "/etc/resolver" } as const;
    const hosts = { ...HOSTS, path: "/etc/resolver" };
    for (
      const change of [RESOLV_CONF, resolverDir, hosts, { ...RESOLV_CONF, backup: "/t/resolv.conf.bak" }]
    ) await journal.record(change);
    assert.deepEqual((await reopened(path)).changes, [RESOLV_CONF, resolverDir, hosts]);
    await journal.strike(resolverDir);
    assert.deepEqual(journal.changes, [RESOLV_CONF, hosts]);
  }));

for (
  const text of [
    "",
    "{",
    "null",
    '{"version":2,"changes":[]}',
  ]
) {
  Deno.test(`Journal sets a damaged file aside and reports it: ${text.slice(0, 40)} (F15)`, () =>
    withJournal(async (path) => {
      await Deno.writeTextFile(path, text, { mode: 0o644 });
      const journal = new Journal(path, files);
      assert.deepEqual(await journal.load(), [`${path} is damaged; it is kept as ${path}.bad`]);
      assert.deepEqual(journal.changes, []);
      assert.equal(await Deno.readTextFile(`${path}.bad`), text);
    }));
}

Deno.test("Journal drops each entry that is no change of ngrokd, and keeps the others", () =>
  withJournal(async (path) => {
    const bad = [
      { kind: "rm" },
      { ...HOSTS, path: "relative" },
      { kind: "resolver_dir", path: "etc" },
      // The backup is removed with the change, so that no other file may be named there.
      { ...RESOLV_CONF, backup: "/etc/passwd" },
      null,
    ];
    await Deno.writeTextFile(path, JSON.stringify({ version: 1, changes: [...bad, HOSTS] }), { mode: 0o644 });
    const journal = new Journal(path, files);
    assert.deepEqual(
      await journal.load(),
      [1, 2, 3, 4, 5].map((n) => `${path}: entry ${n} is no change that ngrokd makes; it is not used`),
    );
    assert.deepEqual((await reopened(path)).changes, [HOSTS]);
  }));

// It took the change for recorded.
Deno.test("Journal logs a change that it cannot record, and records it at the next chance (F2)", () =>
  withJournal(async (path) => {
    await using logged = await captureLog();
    const full = new FileError("Cannot write /j: the disk is full", { path, reason: "full" });
    let isFull = true;
    const writeFileAtomic: typeof files.writeFileAtomic = (...args) =>
      isFull ? Promise.reject(full) : files.writeFileAtomic(...args);
    const journal = new Journal(path, { ...files, writeFileAtomic });
    await journal.record(HOSTS);
    assert.deepEqual(journal.changes, [HOSTS]);
    assert.match(
      logged.lines("warning").join(""),
      /^Problem with the record .*: Cannot write .*the disk is full$/,
    );
    isFull = false;
    await journal.record(HOSTS);
    assert.deepEqual((await reopened(path)).changes, [HOSTS]);
  }));

Deno.test("Journal keeps that a hosts file was created, whatever is recorded before and after", () =>
  withJournal(async (path) => {
    const journal = await reopened(path);
    const created: Change = { ...HOSTS, created: true };
    for (const change of [HOSTS, created, HOSTS]) await journal.record(change);
    assert.deepEqual((await reopened(path)).changes, [created]);
  }));

// Both used one temporary file: one failed and removed the other's, and nothing was on disk.
Deno.test("Journal keeps changes that are recorded and struck at the same time", () =>
  withJournal(async (path) => {
    await using logged = await captureLog();
    const journal = await reopened(path);
    for (let round = 0; round < 20; round++) {
      const hosts = { ...HOSTS, written: [`127.0.0.1\tn${round}.example`] };
      await Promise.all([journal.record(hosts), journal.record(RESOLV_CONF), journal.record(ADDRESSES)]);
      assert.deepEqual((await reopened(path)).changes, journal.changes);
      await Promise.all([journal.strike(ADDRESSES), journal.record(HOSTS), journal.strike(RESOLV_CONF)]);
      assert.deepEqual((await reopened(path)).changes, [HOSTS]);
    }
    assert.deepEqual(logged.lines("warning"), []);
  }));

Deno.test("Journal returns whether it recorded a change, and logs a lasting problem once", () =>
  withJournal(async (path) => {
    await using logged = await captureLog();
    const full = new FileError("Cannot write /j: the disk is full", { path, reason: "full" });
    let isFull = true;
    const writeFileAtomic: typeof files.writeFileAtomic = (...args) =>
      isFull ? Promise.reject(full) : files.writeFileAtomic(...args);
    const journal = new Journal(path, { ...files, writeFileAtomic });
    const tries = [await journal.record(HOSTS), await journal.record(HOSTS)];
    isFull = false;
    assert.deepEqual([...tries, await journal.record(HOSTS)], [false, false, true]);
    assert.equal(logged.lines("warning").length, 1);
  }));
