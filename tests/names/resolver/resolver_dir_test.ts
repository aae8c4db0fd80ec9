import assert from "node:assert/strict";
import { FileError } from "../../../src/model/errors.ts";
import { ResolverDir } from "../../../src/names/resolver/resolver_dir.ts";
import type { ResolverRequest } from "../../../src/names/resolver/resolver.ts";
import * as files from "../../../src/system/files.ts";
import { temporaryDirectory } from "../../fakes/temporary_directory.ts";
import { buggy, symlink } from "../file_on_disk.ts";

const REQUEST: ResolverRequest = {
  server: { address: "127.0.0.2", port: 5353 },
  domains: ["b.example", "*.a.example"],
};
const OURS = "# ngrokd managed\nnameserver 127.0.0.2\nport 5353\n";
const FOREIGN = "# corporate VPN\nnameserver 10.0.0.1\n";

/** Runs with a directory of resolvers that has these files. */
async function withFiles(
  texts: Readonly<Record<string, string>>,
  body: (directory: string, parent: string) => Promise<void>,
): Promise<void> {
  await using parent = await temporaryDirectory();
  const directory = `${parent.path}/resolver`;
  if (Object.keys(texts).length > 0) await Deno.mkdir(directory);
  for (const [name, text] of Object.entries(texts)) await Deno.writeTextFile(`${directory}/${name}`, text);
  await body(directory, parent.path);
}

async function contents(directory: string): Promise<Record<string, string>> {
  const texts: Record<string, string> = {};
  for (const name of await files.listDirectory(directory)) {
    texts[name] = await Deno.readTextFile(`${directory}/${name}`);
  }
  return texts;
}

Deno.test("ResolverDir creates the directory and one world-readable file for each domain", () =>
  withFiles({}, async (directory) => {
    const resolver = new ResolverDir(directory, { files });
    assert.equal((await resolver.apply(REQUEST)).problem, undefined);
    assert.deepEqual(await contents(directory), { "a.example": OURS, "b.example": OURS });
    assert.deepEqual([
      (await files.statPath(directory))?.mode,
      (await files.statPath(`${directory}/a.example`))?.mode,
    ], [
      0o755,
      0o644,
    ]);
    await resolver.apply({ ...REQUEST, domains: ["b.example"] });
    assert.deepEqual(await contents(directory), { "b.example": OURS });
  }));

Deno.test("ResolverDir removes the leftovers of a crashed run and keeps files without our marker", () =>
  withFiles({
    "old.example": "# ngrokd managed\nnameserver 127.0.0.9\nport 53\n",
    ".ngrokd.tmp": "# ngrokd managed\nnameserver 127.0",
    "corp.example": FOREIGN,
    "mention.example": `${FOREIGN}# ngrokd managed\n`,
    "similar.example": "# ngrokd managed by hand\nnameserver 10.0.0.1\n",
    "empty.example": "",
    "large.example": `# ngrokd managed\n${"#\n".repeat(4096)}`,
  }, async (directory) => {
    const foreign = ["corp", "empty", "large", "mention", "similar"].map((name) => `${name}.example`);
    assert.equal((await new ResolverDir(directory, { files }).withdraw()).changed, true);
    assert.deepEqual(Object.keys(await contents(directory)), foreign);
  }));

Deno.test("ResolverDir keeps a file of another program, refuses its names, and adds the other domains", () =>
  withFiles({ "b.example": FOREIGN }, async (directory) => {
    await Deno.mkdir(`${directory}/c.example`);
    const resolver = new ResolverDir(directory, { files });
    const outcome = await resolver.apply({
      ...REQUEST,
      domains: [...REQUEST.domains, "x.b.example", "c.example"],
    });
    assert.deepEqual(
      outcome.refused,
      new Map([["b.example", "b"], ["x.b.example", "b"], ["c.example", "c"]].map(([name, file]) => [
        name!,
        `${directory}/${file}.example is a file of another program`,
      ])),
    );
    assert.equal(await Deno.readTextFile(`${directory}/a.example`), OURS);
    await resolver.withdraw();
    assert.equal(await Deno.readTextFile(`${directory}/b.example`), FOREIGN);
  }));

Deno.test("ResolverDir does not follow a symlink, not even to a file of ours", () =>
  withFiles({ "own.example": OURS }, async (directory, parent) => {
    await Deno.rename(`${directory}/own.example`, `${parent}/elsewhere`);
    await symlink(`${parent}/elsewhere`, `${directory}/b.example`);
    const resolver = new ResolverDir(directory, { files });
    assert.deepEqual([...(await resolver.apply(REQUEST)).refused.keys()], ["b.example"]);
    await resolver.withdraw();
    assert.deepEqual([await Deno.readTextFile(`${parent}/elsewhere`), await files.listDirectory(directory)], [
      OURS,
      ["b.example"],
    ]);
  }));

Deno.test("ResolverDir writes no file outside its directory, whatever the names are", () =>
  withFiles({}, async (directory, parent) => {
    const bad = ["../evil", "../../evil.", "sub/../../evil", "..", "/etc/passwd", "a\0b", ".ngrokd.tmp"];
    const outcome = await new ResolverDir(directory, { files }).apply({ ...REQUEST, domains: bad });
    assert.deepEqual([[...outcome.refused.keys()], outcome.changed], [bad, false]);
    assert.deepEqual(await files.listDirectory(parent), []);
  }));

Deno.test("ResolverDir records the change once before it", () =>
  withFiles({}, async (directory) => {
    const records: unknown[] = [];
    const resolver = new ResolverDir(directory, {
      files,
      record: async (change) => {
        records.push(change, await contents(directory));
      },
    });
    await resolver.withdraw();
    assert.deepEqual(records, []);
    await resolver.apply(REQUEST);
    await resolver.apply({ ...REQUEST, domains: ["c.example"] });
    assert.deepEqual(records, [{ kind: "resolver_dir", path: directory }, {}]);
  }));

Deno.test("ResolverDir gives a hint if it cannot write, and lets a bug through", () =>
  withFiles({}, async (directory) => {
    const failing = (reason: "denied" | "other") => () =>
      Promise.reject(new FileError("Cannot make x", { path: "x", reason, hint: "Do y" }));
    const denied = await new ResolverDir(directory, { files: { ...files, makeDirectory: failing("denied") } })
      .apply(REQUEST);
    assert.deepEqual([denied.changed, denied.problem, denied.hint], [
      false,
      "Cannot make x",
      "Run ngrokd as a user who may write there",
    ]);
    const broken = new ResolverDir(directory, { files: { ...files, listDirectory: failing("other") } });
    assert.equal((await broken.apply(REQUEST)).hint, "Do y");
    const faulty = new ResolverDir(directory, { files: { ...files, listDirectory: buggy } });
    await assert.rejects(faulty.apply(REQUEST), TypeError);
  }));
