import assert from "node:assert/strict";
import { Mutex } from "../../src/lib/mutex.ts";

Deno.test("Mutex runs one task at a time, in the order of the calls", async () => {
  const mutex = new Mutex();
  const events: string[] = [];
  const gates = [0, 1, 2].map(() => Promise.withResolvers<void>());
  const runs = gates.map((gate, index) =>
    mutex.run(async () => {
      events.push(`start ${index}`);
      await gate.promise;
      events.push(`end ${index}`);
      return index;
    })
  );
  gates[2]!.resolve();
  gates[1]!.resolve();
  await Promise.resolve();
  assert.deepEqual(events, ["start 0"]);
  gates[0]!.resolve();
  assert.deepEqual(await Promise.all(runs), [0, 1, 2]);
  assert.deepEqual(events, ["start 0", "end 0", "start 1", "end 1", "start 2", "end 2"]);
});

Deno.test("Mutex rejects for the caller of a failed task, and runs the next task", async () => {
  const mutex = new Mutex();
  const failing = mutex.run(() => Promise.reject(new RangeError("first")));
  const throwing = mutex.run(() => {
    throw new TypeError("second");
  });
  const next = mutex.run(() => Promise.resolve("third"));
  await assert.rejects(failing, RangeError);
  await assert.rejects(throwing, TypeError);
  assert.equal(await next, "third");
});

Deno.test("A failed task that no caller awaits does not end the process", async () => {
  const mutex = new Mutex();
  mutex.run(() => Promise.reject(new Error("no caller awaits it")));
  await mutex.run(() => Promise.resolve());
});
