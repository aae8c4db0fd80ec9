import assert from "node:assert/strict";
import { FileError } from "../../../src/model/errors.ts";
import { ResolverDir } from "../../../src/names/resolver/resolver_dir.ts";
import type { ResolverRequest } from "../../../src/names/resolver/resolver.ts";
import * as files from "../../../src/system/files.ts";
import { temporaryDirectory } from "../../fakes/temporary_directory.ts";

const WISH: ResolverRequest = {
  server: { address: "127.0.0.2", port: 5353 },
  domains: ["b.example", "*.a.example"],
};
const OURS = "# ngrokd managed\nnameserver 127.0.0.2\nport 5353\n";
const FOREIGN = "# corporate VPN\nnameserver 10.0.0.1\n";

/** Runs with a directory of resolvers that holds these files. */
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

Deno.test("ResolverDir makes the directory and one file for each domain, which everybody may read", () =>
  withFiles({}, async (directory) => {
    const resolver = new ResolverDir(directory, { files });
    assert.equal((await resolver.apply(WISH)).problem, undefined);
    assert.deepEqual(await contents(directory), { "a.example": OURS, "b.example": OURS });
    assert.deepEqual([
      (await files.statPath(directory))?.mode,
      (await files.statPath(`${directory}/a.example`))?.mode,
    ], [
      0o755,
      0o644,
    ]);
    assert.deepEqual(
      await resolver.observe(),
      new Map([["a.example", "127.0.0.2:5353"], ["b.example", "127.0.0.2:5353"]]),
    );
    await resolver.apply({ ...WISH, domains: ["b.example"] });
    assert.deepEqual(await contents(directory), { "b.example": OURS });
  }));

Deno.test("ResolverDir removes the leftovers of a crashed run and leaves files without our mark alone", () =>
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

Deno.test("ResolverDir never replaces a foreign file, names it, and takes the other domains", () =>
  withFiles({ "b.example": FOREIGN }, async (directory) => {
    await Deno.mkdir(`${directory}/c.example`);
    const resolver = new ResolverDir(directory, { files });
    const outcome = await resolver.apply({ ...WISH, domains: [...WISH.domains, "c.example"] });
    assert.deepEqual(
      outcome.refused,
      new Map(["b", "c"].map((name) => [
        `${name}.example`,
        `${directory}/${name}.example is a file of another program`,
      ])),
    );
    assert.deepEqual(await resolver.observe(), new Map([["a.example", "127.0.0.2:5353"]]));
    await resolver.withdraw();
    assert.equal(await Deno.readTextFile(`${directory}/b.example`), FOREIGN);
  }));

Deno.test("ResolverDir does not follow a link, not even to a file of ours", () =>
  withFiles({ "own.example": OURS }, async (directory, parent) => {
    await Deno.rename(`${directory}/own.example`, `${parent}/elsewhere`);
    const link = new Deno.Command("ln", { args: ["-s", `${parent}/elsewhere`, `${directory}/b.example`] });
    assert.ok((await link.output()).success);
    const resolver = new ResolverDir(directory, { files });
    assert.deepEqual([...(await resolver.apply(WISH)).refused.keys()], ["b.example"]);
    await resolver.withdraw();
    assert.deepEqual([await Deno.readTextFile(`${parent}/elsewhere`), await files.listDirectory(directory)], [
      OURS,
      ["b.example"],
    ]);
  }));

Deno.test("ResolverDir writes no file outside its directory, whatever a name says", () =>
  withFiles({}, async (directory, parent) => {
    const bad = ["../evil", "../../evil.", "sub/../../evil", "..", "/etc/passwd", "a\0b", ".ngrokd.tmp"];
    const outcome = await new ResolverDir(directory, { files }).apply({ ...WISH, domains: bad });
    assert.deepEqual([[...outcome.refused.keys()], outcome.changed], [bad, false]);
    assert.deepEqual(await files.listDirectory(parent), []);
  }));

Deno.test("ResolverDir writes down what it changes before it does, once", () =>
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
    await resolver.apply(WISH);
    await resolver.apply({ ...WISH, domains: ["c.example"] });
    assert.deepEqual(records, [{ kind: "resolver_dir", path: directory }, {}]);
  }));

Deno.test("ResolverDir reports what cannot be written and what to do, and swallows no fault of its own", () =>
  withFiles({}, async (directory) => {
    const failing = (reason: "denied" | "other") => () =>
      Promise.reject(new FileError("Cannot make x", { path: "x", reason, hint: "Do y" }));
    const denied = await new ResolverDir(directory, { files: { ...files, makeDirectory: failing("denied") } })
      .apply(WISH);
    assert.deepEqual([denied.changed, denied.problem, denied.hint], [
      false,
      "Cannot make x",
      "Run ngrokd as a user who may write there",
    ]);
    const broken = new ResolverDir(directory, { files: { ...files, listDirectory: failing("other") } });
    assert.equal((await broken.apply(WISH)).hint, "Do y");
    assert.equal(await broken.observe(), undefined);
    const bug = () => Promise.reject(new TypeError("bug"));
    const faulty = new ResolverDir(directory, { files: { ...files, listDirectory: bug } });
    await assert.rejects(faulty.observe(), TypeError);
    await assert.rejects(faulty.apply(WISH), TypeError);
  }));
