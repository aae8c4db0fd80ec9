import assert from "node:assert/strict";
import { upgrade } from "../../src/forward/upgrade.ts";
import { UpgradeError } from "../../src/model/errors.ts";
import { captureLog } from "../fakes/captured_log.ts";
import { fakeClock } from "../fakes/fake_clock.ts";
import { answerFrame, WELCOME } from "../fakes/fake_ingress.ts";
import {
  concat,
  fromHex,
  latin1,
  memoryPair,
  type MemoryStream,
  pattern,
  readExactly,
  send,
  text,
} from "../fakes/memory_stream.ts";

const REQUEST = { host: "api.myapp", port: 80 };
const FOREVER = { timeoutMs: 10_000, signal: new AbortController().signal };

function withCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof UpgradeError && error.code === code;
}

/** Runs an upgrade against a server that sends these bytes after the request. */
async function upgradeAgainst(bytes: Uint8Array, options: { segment?: number; end?: boolean } = {}) {
  const { near, far } = memoryPair({
    ...(options.segment === undefined ? {} : { segment: options.segment }),
  });
  const upgrading = upgrade(near, REQUEST, FOREVER);
  upgrading.catch(() => {});
  await readExactly(far, 15);
  await send(far, bytes);
  if (options.end) await far.closeWrite();
  return { near, far, upgraded: await upgrading };
}

Deno.test("upgrade() sends the whole frame in one write", async () => {
  const { near, far } = memoryPair();
  const writes: Uint8Array[] = [];
  const write = near.write.bind(near);
  near.write = (data) => {
    writes.push(data.slice());
    return write(data);
  };
  const upgrading = upgrade(near, REQUEST, FOREVER);
  await send(far, WELCOME);
  await upgrading;
  assert.deepEqual(writes, [fromHex("0d000a096170692e6d796170701050")]);
});

Deno.test("upgrade() returns the endpoint's id and the bytes that came with the answer (F61)", async () => {
  const { near, far, upgraded } = await upgradeAgainst(concat([WELCOME, latin1("220 ready\r\n")]));
  assert.equal(upgraded.endpointId, "ep_1");
  assert.equal(text(upgraded.early), "220 ready\r\n");
  await send(far, "more");
  assert.equal(text(await readExactly(near, 4)), "more");
});

Deno.test("upgrade() reads an answer in segments of one byte, and nothing after it", async () => {
  const { near, upgraded } = await upgradeAgainst(concat([WELCOME, latin1("220")]), { segment: 1 });
  assert.equal(upgraded.early.length, 0);
  assert.equal(text(await readExactly(near, 3)), "220");
});

Deno.test("upgrade() loses no byte if answer and data exceed one read (F61)", async () => {
  const data = pattern(60_000);
  const { near, far, upgraded } = await upgradeAgainst(concat([WELCOME, data]));
  await far.closeWrite();
  const rest = await readExactly(near, 60_000 - upgraded.early.length);
  assert.deepEqual(concat([upgraded.early, rest]), data);
});

Deno.test("upgrade() accepts an empty answer and the largest one (F61)", async () => {
  assert.equal((await upgradeAgainst(fromHex("0000"))).upgraded.endpointId, "");
  const largest = answerFrame({ 2: "x".repeat(65_531) });
  assert.equal(largest.length, 65_537);
  const { upgraded } = await upgradeAgainst(concat([largest.subarray(0, 65_000), largest.subarray(65_000)]), {
    segment: 30_000,
  });
  assert.equal(upgraded.early.length, 0);
});

Deno.test("upgrade() fails on a code alone and on a message alone (F61)", async () => {
  await assert.rejects(
    upgradeAgainst(answerFrame({ 3: "ERR_NGROK_3200", 4: "endpoint\noffline" })),
    (error) => {
      assert.ok(error instanceof UpgradeError);
      assert.equal(error.code, "ERR_NGROK_3200");
      assert.equal(error.message, "Cannot reach api.myapp:80: ERR_NGROK_3200: endpoint\\u000aoffline");
      assert.match(error.hint!, /errors\/err_ngrok_3200/);
      return true;
    },
  );
  await assert.rejects(upgradeAgainst(answerFrame({ 3: "ERR_NGROK_3209" })), withCode("ERR_NGROK_3209"));
  await assert.rejects(upgradeAgainst(answerFrame({ 4: "internal error" })), (error) => {
    assert.ok(error instanceof UpgradeError);
    assert.equal(error.code, "");
    assert.equal(error.hint, undefined);
    return true;
  });
});

Deno.test("upgrade() reports that the ingress closed at any byte of the answer (N1, N7, N8)", async () => {
  for (const hex of ["", "05", "05000a0461"]) {
    await assert.rejects(upgradeAgainst(fromHex(hex), { end: true }), withCode("closed"), hex);
  }
});

Deno.test("upgrade() reports that the ingress closed if the connection is reset", async () => {
  for (const act of [(far: MemoryStream) => far.reset(), (far: MemoryStream) => far.close()]) {
    const { near, far } = memoryPair();
    const upgrading = upgrade(near, REQUEST, FOREVER);
    act(far);
    await assert.rejects(upgrading, (error) => {
      assert.ok(error instanceof UpgradeError && error.code === "closed");
      assert.match(error.hint!, /certificate/);
      return true;
    });
  }
});

Deno.test("upgrade() reports a malformed answer (F61)", async () => {
  for (
    const hex of ["02000001", "02000f01", "04000a056162", "04000a02fffe", "0c0010ffffffffffffffffffff01"]
  ) {
    await assert.rejects(upgradeAgainst(fromHex(hex)), withCode("malformed"), hex);
  }
});

Deno.test("upgrade() gives up at its deadline at any part of the answer (F61)", async () => {
  using clock = fakeClock();
  for (const hex of ["", "05", "ffff0a"]) {
    const { near, far } = memoryPair();
    const upgrading = assert.rejects(upgrade(near, REQUEST, FOREVER), withCode("timeout"));
    await send(far, fromHex(hex));
    await clock.pass(10_000);
    await upgrading;
  }
});

Deno.test("upgrade() rejects with the signal's reason", async () => {
  const controller = new AbortController();
  const upgrading = upgrade(memoryPair().near, REQUEST, { timeoutMs: 10_000, signal: controller.signal });
  controller.abort(new Error("shutting down"));
  await assert.rejects(upgrading, /shutting down/);
});

Deno.test("upgrade() logs notices at level debug", async () => {
  await using logged = await captureLog();
  await upgradeAgainst(answerFrame({ 1: "ep_1", notices: ["plan limit\nnear", "cert expires soon"] }));
  assert.equal(logged.lines("debug").length, 2);
  assert.match(logged.lines("debug")[0]!, /plan limit\\u000anear/);
});
