import assert from "node:assert/strict";
import { z } from "zod";
import { FileError } from "../../src/model/errors.ts";
import * as files from "../../src/system/files.ts";
import { JsonFile } from "../../src/system/json_file.ts";
import { temporaryDirectory } from "../fakes/temporary_directory.ts";

const schema = z.object({ schema: z.literal(1), name: z.string() });

Deno.test("JsonFile reads its own text, and nothing from a missing file", async () => {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/state.json`;
  assert.deepEqual(await new JsonFile(path, { schema, files }).read(), {});
  await new JsonFile(path, { schema, files }).write({ schema: 1, name: "a" });
  const file = new JsonFile(path, { schema, files });
  assert.deepEqual(await file.read(), { content: { schema: 1, name: "a" } });
  await file.remove();
  await file.remove();
  assert.deepEqual(await file.read(), {});
});

Deno.test("JsonFile renames a damaged file to .bad and returns the problem (F15)", async () => {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/state.json`;
  await new JsonFile(path, { schema, files }).write({ schema: 1, name: "a" });
  const whole = await Deno.readTextFile(path);
  const cut = Array.from({ length: whole.length }, (_, length) => whole.slice(0, length));
  const deep = `{"schema":1,"name":"a","x":${"[".repeat(64)}${"]".repeat(64)}}`;
  for (const bad of [...cut, "[]", deep, '{"schema":2,"name":"a"}', '{"schema":1}', "\0"]) {
    await Deno.writeTextFile(path, bad, { mode: 0o644 });
    const { content, problem } = await new JsonFile(path, { schema, files }).read();
    assert.equal(content, undefined);
    assert.equal(problem, `${path} is damaged; it is kept as ${path}.bad`);
    assert.equal(await Deno.readTextFile(`${path}.bad`), bad);
    await assert.rejects(Deno.stat(path), Deno.errors.NotFound);
  }
});

Deno.test("JsonFile renames a file that is larger than its limit", async () => {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/state.json`;
  await Deno.writeTextFile(path, JSON.stringify({ schema: 1, name: "x".repeat(100) }));
  const { content, problem } = await new JsonFile(path, { schema, files, maxBytes: 100 }).read();
  assert.equal(content, undefined);
  assert.match(problem!, /state\.json.*it stays until the next write, which renames it to/);
});

Deno.test("JsonFile writes only if the bytes differ, and again after a failed write", async () => {
  const written: string[] = [];
  let fails = false;
  const counting = {
    ...files,
    writeFileAtomic(_path: string, text: string) {
      if (fails) return Promise.reject(new Error("Cannot write: disk is full"));
      written.push(text);
      return Promise.resolve();
    },
  };
  const file = new JsonFile("/nonexistent/state.json", { schema, files: counting });
  await file.write({ schema: 1, name: "a" });
  await file.write({ schema: 1, name: "a" });
  assert.equal(written.length, 1);
  fails = true;
  await assert.rejects(file.write({ schema: 1, name: "b" }), /disk is full/);
  fails = false;
  await file.write({ schema: 1, name: "a" });
  assert.equal(written.length, 2);
});

// A start while all descriptors were in use threw the leases away.
for (const change of ["write", "remove"] as const) {
  Deno.test(`JsonFile keeps a file that cannot be read until ${change}(), and then as .bad (F15)`, async () => {
    await using directory = await temporaryDirectory();
    const path = `${directory.path}/state.json`;
    const [good, other] = [{ schema: 1, name: "a" }, { schema: 1, name: "b" }] as const;
    await new JsonFile(path, { schema, files }).write(good);
    const text = await Deno.readTextFile(path);
    const failing = { reads: true, renames: false };
    const file = new JsonFile(path, {
      schema,
      files: {
        ...files,
        readOwn: (...args) => failing.reads ? fail("read") : files.readOwn(...args),
        renameFile: (...args) => failing.renames ? fail("rename") : files.renameFile(...args),
      },
    });
    const fail = (action: string) =>
      Promise.reject(
        new FileError(`Cannot ${action} ${path}: too many open files`, { path, reason: "other" }),
      );
    const { content, problem } = await file.read();
    assert.equal(content, undefined);
    assert.equal(
      problem,
      `Cannot read ${path}: too many open files; it stays until the next write, which renames it to ${path}.bad`,
    );
    assert.deepEqual(await new JsonFile(path, { schema, files }).read(), { content: good });
    failing.renames = true;
    await assert.rejects(change === "write" ? file.write(other) : file.remove(), /Cannot rename/);
    assert.equal(await Deno.readTextFile(path), text);
    assert.equal(file.problem, problem);
    failing.renames = false;
    await (change === "write" ? file.write(other) : file.remove());
    assert.equal(await Deno.readTextFile(`${path}.bad`), text);
    assert.deepEqual(
      await new JsonFile(path, { schema, files }).read(),
      change === "write" ? { content: other } : {},
    );
    assert.equal(file.problem, `Cannot read ${path}: too many open files; it is kept as ${path}.bad`);
    // Only the first change after the failed read.
    await file.write(good);
    assert.equal(await Deno.readTextFile(`${path}.bad`), text);
  });
}

Deno.test("JsonFile replaces a file that could be read again, or that is gone, without a .bad", async () => {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/state.json`;
  let fails = true;
  const readOwn: typeof files.readOwn = (...args) =>
    fails
      ? Promise.reject(new FileError("Cannot read it", { path, reason: "other" }))
      : files.readOwn(...args);
  for (const isGone of [false, true]) {
    fails = true;
    await new JsonFile(path, { schema, files }).write({ schema: 1, name: "a" });
    const file = new JsonFile(path, { schema, files: { ...files, readOwn } });
    await file.read();
    fails = false;
    if (isGone) await Deno.remove(path);
    else assert.deepEqual(await file.read(), { content: { schema: 1, name: "a" } });
    await file.write({ schema: 1, name: "b" });
    assert.equal(JSON.parse(await Deno.readTextFile(path)).name, "b");
    await assert.rejects(Deno.stat(`${path}.bad`), Deno.errors.NotFound);
  }
});
