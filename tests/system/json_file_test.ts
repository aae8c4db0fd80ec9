import assert from "node:assert/strict";
import { z } from "zod";
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
  for (const bad of [...cut, "[]", '{"schema":2,"name":"a"}', '{"schema":1}', "\0"]) {
    await Deno.writeTextFile(path, bad);
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
  assert.match(problem!, /state\.json.*it is kept as/);
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
