import assert from "node:assert/strict";
import { type Change, Journal } from "../../src/undo/journal.ts";
import { undo, type UndoOptions } from "../../src/undo/undo.ts";
import { CommandError, FileError } from "../../src/model/errors.ts";
import { ResolvConf } from "../../src/names/resolver/resolv_conf.ts";
import { ResolverDir } from "../../src/names/resolver/resolver_dir.ts";
import { realSystem } from "../../src/system/system.ts";
import { captureLog } from "../fakes/captured_log.ts";
import { temporaryDirectory } from "../fakes/temporary_directory.ts";

const { files } = realSystem();
const REQUEST = { server: { address: "10.107.0.1", port: 53 }, domains: ["a.example"] };
const ORIGINAL = "search lan\nnameserver 192.168.1.1\n";

interface Leftovers {
  readonly resolvConf: string;
  readonly resolverDir: string;
  readonly journal: Journal;
}

/** Runs `body` after a daemon changed the resolver and was killed. */
async function withLeftovers(body: (leftovers: Leftovers) => Promise<void>): Promise<void> {
  await using directory = await temporaryDirectory();
  const [resolvConf, resolverDir, journalPath] = ["resolv.conf", "resolver", "journal.json"]
    .map((name) => `${directory.path}/${name}`) as [string, string, string];
  await Deno.writeTextFile(resolvConf, ORIGINAL);
  const killed = new Journal(journalPath, files);
  const record = (change: Change) => killed.record(change);
  await new ResolvConf(resolvConf, { files, backup: `${resolvConf}.bak`, record }).apply(REQUEST);
  await new ResolverDir(resolverDir, { files, record }).apply(REQUEST);
  const journal = new Journal(journalPath, files);
  assert.deepEqual(await journal.load(), []);
  assert.deepEqual(kinds(journal), ["resolv_conf", "resolver_dir"]);
  await body({ resolvConf, resolverDir, journal });
}

/** Undoes all changes with files of which some fail; no program can run. */
function undoAll(journal: Journal, broken: Partial<typeof files> = {}): Promise<boolean> {
  const run = () =>
    Promise.reject(new CommandError("No program is needed", { argv: [], exitCode: 1, stderr: "" }));
  return undo(journal.changes, {
    journal,
    subnets: [],
    interfaceName: "ngrokd0",
    system: { files: { ...files, ...broken }, run },
  });
}

function kinds(journal: Journal): string[] {
  return journal.changes.map(({ kind }) => kind);
}

Deno.test("undo() removes ngrokd's resolver settings after a crash and empties the journal", () =>
  withLeftovers(async ({ resolvConf, resolverDir, journal }) => {
    assert.equal(await undoAll(journal), true);
    assert.equal(await Deno.readTextFile(resolvConf), ORIGINAL);
    await assert.rejects(Deno.stat(`${resolvConf}.bak`), Deno.errors.NotFound);
    assert.deepEqual(await files.listDirectory(resolverDir), []);
    assert.deepEqual(kinds(journal), []);
  }));

Deno.test("undo() succeeds if a change was recorded but not made, or was undone by others", () =>
  withLeftovers(async ({ resolvConf, resolverDir, journal }) => {
    await Deno.writeTextFile(resolvConf, ORIGINAL);
    await Deno.remove(`${resolvConf}.bak`);
    await Deno.remove(resolverDir, { recursive: true });
    assert.equal(await undoAll(journal), true);
    assert.equal(await Deno.readTextFile(resolvConf), ORIGINAL);
    assert.deepEqual(kinds(journal), []);
  }));

Deno.test("undo() deletes the table of redirects, or says how to", async () => {
  await using directory = await temporaryDirectory();
  await using logged = await captureLog();
  const journal = new Journal(`${directory.path}/journal.json`, files);
  await journal.record({ kind: "redirects" });
  assert.equal(await undoAll(journal), false);
  assert.deepEqual(kinds(journal), ["redirects"]);
  assert.match(logged.lines("error").join(), /redirects of held ports may remain: No program is needed/);
  const inputs: (string | undefined)[] = [];
  const run: UndoOptions["system"]["run"] = (_argv, { input }) => {
    inputs.push(input);
    return Promise.resolve({ stdout: "", stderr: "" });
  };
  assert.equal(
    await undo(journal.changes, { journal, subnets: [], interfaceName: "ngrokd0", system: { files, run } }),
    true,
  );
  // It lists the table first, to say if there was one.
  assert.deepEqual(inputs, [undefined, "add table ip ngrokd\ndelete table ip ngrokd\n"]);
  assert.match(logged.lines("info").join(), /Removed the redirects of held ports/);
  assert.deepEqual(kinds(journal), []);
});

Deno.test("undo() logs a change that it cannot undo, keeps it in the journal, and undoes the rest", () =>
  withLeftovers(async ({ resolvConf: path, resolverDir, journal }) => {
    await using logged = await captureLog();
    const readOnly = () =>
      Promise.reject(new FileError("Cannot write resolv.conf: read-only", { path, reason: "read_only" }));
    assert.equal(await undoAll(journal, { createFile: readOnly, writeFileInPlace: readOnly }), false);
    assert.match(logged.lines("error").join(""), /Cannot write resolv\.conf: read-only/);
    assert.deepEqual(kinds(journal), ["resolv_conf"]);
    assert.deepEqual(await files.listDirectory(resolverDir), []);
  }));
