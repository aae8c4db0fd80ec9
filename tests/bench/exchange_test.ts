import assert from "node:assert/strict";
import fc from "fast-check";
import type { BackendPorts } from "../../bench/backend.ts";
import { Script } from "../../bench/child.ts";
import type { ClientQuestion, Connects, Transfer } from "../../bench/client.ts";
import { BLOCK_BYTES, decodeOrder, encodeOrder, LAST_BLOCK, UploadEnd } from "../../bench/exchange.ts";

Deno.test("decodeOrder() reads the text of encodeOrder(), and throws TypeError for other texts", () => {
  for (const order of ["echo", "upld", "down"] as const) assert.equal(decodeOrder(encodeOrder(order)), order);
  assert.throws(() => decodeOrder(new TextEncoder().encode("GET ")), TypeError);
});

Deno.test("UploadEnd finds the end of the last block in parts of any size", () => {
  const cuts = fc.array(fc.integer({ min: 1, max: 2 * BLOCK_BYTES }), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 4 }), cuts, (blocks, sizes) => {
      const upload = new Uint8Array(blocks * BLOCK_BYTES).fill(LAST_BLOCK);
      for (let block = 0; block < blocks - 1; block++) upload[block * BLOCK_BYTES] = 0;
      const end = new UploadEnd();
      const rest = [...sizes];
      for (let position = 0; position < upload.length;) {
        const next = Math.min(upload.length, position + (rest.shift() ?? BLOCK_BYTES));
        assert.equal(end.take(upload.subarray(position, next)), next === upload.length);
        position = next;
      }
    }),
    { seed: 2, numRuns: 50 },
  );
});

Deno.test("client and backend carry bytes both ways, with and without the upgrade frame", async () => {
  await using stack = new AsyncDisposableStack();
  const backend = new Script(stack, "backend.ts");
  const client = new Script(stack, "client.ts");
  const { plain, framed } = await backend.ask({}) as BackendPorts;
  const ask = (question: ClientQuestion): Promise<unknown> => client.ask(question);
  const address = { hostname: "127.0.0.1", port: plain };
  for (const order of ["upld", "down"] as const) {
    await ask({ kind: "open", address, order, streams: 3 });
    const { bytes, seconds } = await ask({ kind: "run", durationMs: 20 }) as Transfer;
    assert.ok(bytes >= 3 * BLOCK_BYTES && bytes % BLOCK_BYTES === 0, `${order}: ${bytes} bytes`);
    assert.ok(seconds >= 0.02 && seconds < 10, `${order}: ${seconds} s`);
  }
  const connects = await ask({
    kind: "connect",
    address,
    workers: 2,
    count: 10,
    limitMs: 10_000,
  }) as Connects;
  assert.equal(connects.timesMs.length, 10);
  assert.ok(connects.timesMs.every((ms) => ms > 0));

  const conn = await Deno.connect({ hostname: "127.0.0.1", port: framed });
  await conn.write(new Uint8Array([3, 0, 1, 2, 3]));
  await conn.write(encodeOrder("echo"));
  const reply = new Uint8Array(64);
  let length = 0;
  while (length < 21) length += (await conn.read(reply.subarray(length)))!;
  conn.close();
  assert.deepEqual(reply.slice(0, 2), new Uint8Array([15, 0]));
  assert.equal(new TextDecoder().decode(reply.subarray(17, length)), "echo");
});

Deno.test("a script answers a failed question with the reason, and keeps running", async () => {
  await using stack = new AsyncDisposableStack();
  const client = new Script(stack, "client.ts");
  await assert.rejects(client.ask({ kind: "run", durationMs: 1 }), {
    message: "Cannot run a transfer: no stream is open",
  });
  const closed = { hostname: "127.0.0.1", port: 1 };
  await assert.rejects(client.ask({ kind: "open", address: closed, order: "upld", streams: 1 }), /refused/i);
});

Deno.test("the failure of a script that has ended shows its standard error", async () => {
  await using stack = new AsyncDisposableStack();
  const absent = new Script(stack, "no_such_file.ts");
  await assert.rejects(absent.ask({}), /has ended: .*no_such_file\.ts\n.*Module not found/s);
});

Deno.test("a disposed stack starts no script", async () => {
  const stack = new AsyncDisposableStack();
  await stack.disposeAsync();
  assert.throws(() => new Script(stack, "client.ts"), /the bench is ending$/);
});
