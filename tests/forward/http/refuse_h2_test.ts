import assert from "node:assert/strict";
import http2 from "node:http2";
import { once } from "node:events";
import { refuseH2 } from "../../../src/forward/http/refuse_h2.ts";
import { sendRefusal } from "../../../src/forward/http/refuse.ts";
import { H2_PREFACE } from "../../../src/forward/http/sniff_http.ts";
import { listenTcp } from "../../../src/system/tcp.ts";
import { h2Frames } from "../../fakes/h2_frames.ts";
import { concat, latin1, memoryPair, readExactly, send, text } from "../../fakes/memory_stream.ts";

const REFUSAL = { status: 421, reason: "Not here.", nextStep: "x".repeat(300) } as const;
const REASON = `Not here. ${REFUSAL.nextStep}`;
const SETTINGS = latin1("\0\0\0\x04\0\0\0\0\0");

Deno.test("refuseH2() answers the first request of a real client, then GOAWAY with the reason", async () => {
  const listener = listenTcp({ address: "127.0.0.1", port: 0 });
  async function serve(): Promise<void> {
    const stream = await listener.accept();
    const answer = await refuseH2(stream, REFUSAL, { initial: await preface(stream), limitMs: 5000 });
    await sendRefusal(stream, answer, { lingerMs: 1000 });
    stream.close();
  }
  const serving = serve();
  const client = http2.connect(`http://127.0.0.1:${listener.port}`);
  const goAway = once(client, "goaway");
  const request = client.request({ ":path": "/x", "x": "y".repeat(2000) });
  const [headers] = await once(request, "response");
  assert.equal(headers[":status"], 421);
  assert.equal(headers["grpc-status"], "9");
  assert.equal(headers["grpc-message"], REASON);
  const [code, lastStream, data] = await goAway;
  assert.deepEqual([code, lastStream, text(data)], [0, 1, REASON]);
  client.destroy();
  await serving;
  listener.close();
});

Deno.test("refuseH2() sends only GOAWAY if no request comes, or too many bytes before it", async () => {
  const huge = latin1(`\x01\0\0\x06\0\0\0\0\0`);
  for (const [more, limitMs] of [[[], 1], [[huge], 5000]] as const) {
    const { near, far } = memoryPair();
    const refusing = refuseH2(far, REFUSAL, { initial: concat([H2_PREFACE, SETTINGS, ...more]), limitMs });
    assert.deepEqual(await readExactly(near, 9), SETTINGS);
    const goAway = { type: 7, flags: 0, streamId: 0, payload: `${"\0".repeat(8)}${REASON}` };
    assert.deepEqual(h2Frames(await refusing), [goAway]);
  }
});

Deno.test("refuseH2() finds the first request at any cut", async () => {
  const before = concat([SETTINGS, latin1("\0\0\x04\x08\0\0\0\0\0\0\0\xff\xff")]);
  const request = latin1("\0\0\x01\x01\x05\0\0\0\x05\x82");
  const { near, far } = memoryPair({ segment: 1 });
  const refusing = refuseH2(far, REFUSAL, { initial: H2_PREFACE, limitMs: 5000 });
  await send(near, concat([before, request]));
  const [ack, response, goAway] = h2Frames(await refusing);
  assert.deepEqual(ack, { type: 4, flags: 1, streamId: 0, payload: "" });
  assert.deepEqual([response!.type, response!.flags, response!.streamId], [1, 5, 5]);
  assert.equal(response!.payload[0], "\x20", "the size of the dynamic table comes first");
  assert.deepEqual([goAway!.type, goAway!.payload], [7, `\0\0\0\x05\0\0\0\0${REASON}`]);
});

async function preface(stream: { read(buffer: Uint8Array): Promise<number | null> }): Promise<Uint8Array> {
  const bytes = new Uint8Array(4096);
  let length = 0;
  while (length < H2_PREFACE.length) length += (await stream.read(bytes.subarray(length)))!;
  return bytes.slice(0, length);
}
