import assert from "node:assert/strict";
import { holdLock } from "../../src/system/lock.ts";
import { temporaryDirectory } from "../fakes/temporary_directory.ts";

Deno.test("holdLock() allows one holder at a time, and removes the file at the end", async () => {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/run/lock`;
  const held = {
    reason: "in_use",
    message: "Another ngrokd manages the names and addresses of this machine",
  };
  for (let round = 0; round < 2; round++) {
    const lock = await holdLock(path);
    assert.equal((await Deno.stat(path)).mode! & 0o777, 0o600);
    assert.equal((await Deno.stat(`${directory.path}/run`)).mode! & 0o777, 0o700);
    await assert.rejects(holdLock(path), held);
    await lock[Symbol.asyncDispose]();
    await assert.rejects(Deno.stat(path), Deno.errors.NotFound);
  }
  // A daemon that was killed leaves the file.
  await Deno.writeTextFile(path, "");
  await using _again = await holdLock(path);
});
