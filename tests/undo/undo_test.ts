import assert from "node:assert/strict";
import { type Change, Journal } from "../../src/undo/journal.ts";
import { undo } from "../../src/undo/undo.ts";
import { CommandError, FileError } from "../../src/model/errors.ts";
import { ResolvConf } from "../../src/names/resolver/resolv_conf.ts";
import { ResolverDir } from "../../src/names/resolver/resolver_dir.ts";
import { realSystem } from "../../src/system/system.ts";
import { temporaryDirectory } from "../fakes/temporary_directory.ts";
import { captureLog } from "../fakes/captured_log.ts";

const { files } = realSystem();
const WISH = { server: { address: "10.107.0.1", port: 53 }, domains: ["a.example"] };
const ORIGINAL = "search lan\nnameserver 192.168.1.1\n";

/** A machine on which a daemon changed the resolver and was killed. */
async function withLeftovers(
  body: (place: { path: string; journal: Journal; changes: readonly Change[] }) => Promise<void>,
): Promise<void> {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await Deno.writeTextFile(`${path}/resolv.conf`, ORIGINAL);
  const journal = new Journal(`${path}/journal.json`, files);
  const record = (change: Change) => journal.record(change);
  const backup = `${path}/resolv.conf.bak`;
  await new ResolvConf(`${path}/resolv.conf`, { files, backup, record }).apply(WISH);
  await new ResolverDir(`${path}/resolver`, { files, record }).apply(WISH);
  const reopened = new Journal(`${path}/journal.json`, files);
  assert.equal(await reopened.load(), undefined);
  await body({ path, journal: reopened, changes: reopened.changes });
}

function systemWith(broken: Partial<typeof files> = {}) {
  const run = () =>
    Promise.reject(new CommandError("No program is needed", { argv: [], exitCode: 1, stderr: "" }));
  return { files: { ...files, ...broken }, run };
}

Deno.test("undo() takes our resolver settings away after a crash, and the journal is empty then", () =>
  withLeftovers(async ({ path, journal, changes }) => {
    assert.deepEqual(changes.map((change) => change.kind), ["resolv_conf", "resolver_dir"]);
    assert.equal(await undo(changes, { journal, system: systemWith() }), true);
    assert.equal(await Deno.readTextFile(`${path}/resolv.conf`), ORIGINAL);
    assert.deepEqual(await files.listDirectory(path), ["resolv.conf", "resolver"]);
    assert.deepEqual(await files.listDirectory(`${path}/resolver`), []);
    assert.deepEqual(journal.changes, []);
  }));

Deno.test("undo() finds nothing where a change was written down and not made, or undone by others", () =>
  withLeftovers(async ({ path, journal, changes }) => {
    await Deno.writeTextFile(`${path}/resolv.conf`, ORIGINAL);
    await Deno.remove(`${path}/resolv.conf.bak`);
    await Deno.remove(`${path}/resolver`, { recursive: true });
    assert.equal(await undo(changes, { journal, system: systemWith() }), true);
    assert.equal(await Deno.readTextFile(`${path}/resolv.conf`), ORIGINAL);
    assert.deepEqual(journal.changes, []);
  }));

Deno.test("undo() reports what it cannot undo, keeps it in the journal, and undoes the rest", () =>
  withLeftovers(async ({ path, journal, changes }) => {
    await using logged = await captureLog();
    const readOnly = () =>
      Promise.reject(new FileError("Cannot write resolv.conf: read-only", { path, reason: "read_only" }));
    const system = systemWith({ createFile: readOnly, writeFileInPlace: readOnly });
    assert.equal(await undo(changes, { journal, system }), false);
    assert.match(logged.lines("error").join(""), /Cannot write resolv\.conf: read-only/);
    assert.deepEqual(journal.changes.map((change) => change.kind), ["resolv_conf"]);
    assert.deepEqual(await files.listDirectory(`${path}/resolver`), []);
  }));
