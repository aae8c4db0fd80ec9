import assert from "node:assert/strict";
import { MAX_REQUEST_BYTES, RequestError } from "../../src/control/protocol.ts";
import { readRequest } from "../../src/control/read_request.ts";
import { FakeStream } from "./fake_stream.ts";

function refusal(words: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof RequestError);
    assert.match(error.message, words);
    assert.match(error.message, /^failed to decode command: /);
    assert.ok(error.hint);
    return true;
  };
}

Deno.test("readRequest() needs neither a newline nor a half-close", async () => {
  const stream = new FakeStream(['{"command":"list"}'], { silent: true });
  assert.deepEqual(await readRequest(stream), { command: "list", args: [] });
});

Deno.test("readRequest() reads single bytes, several lines, and unknown fields", async () => {
  const text = '{\n "command": "set-api-key",\r\n "args": ["{}\\"é"], "id": {"n": [1]}\n}';
  const chunks = [...new TextEncoder().encode(text)].map((byte) => Uint8Array.of(byte));
  assert.deepEqual(await readRequest(new FakeStream(chunks)), { command: "set-api-key", args: ['{}"é'] });
});

Deno.test("readRequest() ignores bytes after the object", async () => {
  assert.deepEqual(await readRequest(new FakeStream(['{"command":"list","args":null}\n{"command":"x"}'])), {
    command: "list",
    args: [],
  });
});

Deno.test("readRequest() returns undefined for a connection without a byte", async () => {
  assert.equal(await readRequest(new FakeStream([])), undefined);
});

Deno.test("readRequest() gives an empty command for a request without one, like the Go daemon", async () => {
  assert.deepEqual(await readRequest(new FakeStream(["{}"])), { command: "", args: [] });
});

Deno.test("readRequest() refuses bytes that are not a request", async () => {
  await assert.rejects(readRequest(new FakeStream(["list\n"])), refusal(/not a JSON object/));
  await assert.rejects(readRequest(new FakeStream([Uint8Array.of(0, 255, 1)])), refusal(/not a JSON object/));
  await assert.rejects(readRequest(new FakeStream(['{"command":'])), refusal(/not JSON/));
  await assert.rejects(readRequest(new FakeStream(['{"command" "list"}'])), refusal(/not JSON/));
  await assert.rejects(readRequest(new FakeStream(['{"command":1}'])), refusal(/command: /));
  await assert.rejects(readRequest(new FakeStream(['{"command":"x","args":["a",2]}'])), refusal(/args: 1: /));
  const latin1 = Uint8Array.from([...'{"command":"é"}'].map((c) => c.charCodeAt(0)));
  await assert.rejects(readRequest(new FakeStream([latin1])), refusal(/not UTF-8/));
});

Deno.test("readRequest() does not repeat a malformed request, which can have a key", async () => {
  const text = '{"command":"set-api-key","args":["s3cret" oops]}';
  await assert.rejects(
    readRequest(new FakeStream([text])),
    (error: Error) => !error.message.includes("s3cret"),
  );
});

Deno.test("readRequest() accepts a nesting of 64 levels and not one more (R73)", async () => {
  const text = (depth: number) => `{"command":"x","a":${"[".repeat(depth - 1)}${"]".repeat(depth - 1)}}`;
  assert.equal((await readRequest(new FakeStream([text(64)])))?.command, "x");
  await assert.rejects(readRequest(new FakeStream([text(65)])), refusal(/nested too deeply/));
});

Deno.test("readRequest() accepts 64 KiB and not a byte more", async () => {
  const frame = JSON.stringify({ command: "x", args: [""] }).length;
  const text = (size: number) => JSON.stringify({ command: "x", args: ["a".repeat(size - frame)] });
  const request = await readRequest(new FakeStream([text(MAX_REQUEST_BYTES), "\n"]));
  assert.equal(request?.args[0]?.length, MAX_REQUEST_BYTES - frame);
  await assert.rejects(
    readRequest(new FakeStream([text(MAX_REQUEST_BYTES + 1)])),
    refusal(/larger than 65536/),
  );
  await assert.rejects(
    readRequest(new FakeStream(['{"a":"', "x".repeat(1024 * 1024)])),
    refusal(/larger than 65536/),
  );
});
