import assert from "node:assert/strict";
import { cpuUsage } from "node:process";
import { processFigures } from "../../bench/process_figures.ts";
import { Stage } from "../../sim/stage.ts";
import { latin1, readAll, send, text } from "../fakes/memory_stream.ts";
import { RequestFramer } from "../../src/forward/http/frame_requests.ts";
import { ResponseReader } from "../../src/forward/http/read_response.ts";
import { dial } from "../e2e/client.ts";

const BYTES = 4 * 1024 * 1024;
/** Not the endpoint's own name, so that ngrokd reads every request to replace its Host. */
const HOST = "localhost";
const GET = `GET / HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`;
const POST = `POST / HTTP/1.1\r\nHost: ${HOST}\r\nTransfer-Encoding: chunked\r\n\r\n`;

/**
 * Streams that repeat their second part for ever after the first, and the processor time in seconds
 * that they may take.
 */
const STREAMS: readonly (readonly [name: string, first: string, repeat: string, maxSeconds: number])[] = [
  ["chunks of 1 byte", POST, "1\r\nx\r\n", 0.5],
  ["chunks with a long extension", POST, `1;${"e".repeat(1000)}\r\nx\r\n`, 0.5],
  ["requests with 1,000 trailer fields", "", `${POST}0\r\n${"a:b\r\n".repeat(1000)}\r\n`, 0.5],
  ["requests with 90 fields", "", `${GET.slice(0, -2)}${"a:b\r\n".repeat(90)}\r\n`, 1.5],
  ["requests with 30,000 fields", "", `${GET.slice(0, -2)}${"a:\r\n".repeat(30_000)}\r\n`, 1.5],
  ["requests of 37 bytes", "", GET, 2.5],
];

/** Sends the stream until the backend has what it wants, and returns its answer. */
async function sendStream(address: string, first: string, repeat: string): Promise<string> {
  using conn = await dial(address);
  const answer = readAll(conn);
  const block = repeat.repeat(Math.ceil(65_536 / repeat.length));
  // The reset that ends the connection may come before the last block is written.
  await send(conn, first + block.repeat(Math.ceil(BYTES / block.length))).catch(() => {});
  return text(await answer);
}

// 4 MiB of chunks of 1 byte took 1.5 s, in stretches of 8 ms in which no other connection was
// served; 4 MiB of trailer fields took 1 s.
Deno.test("4 MiB of HTTP in tiny pieces take a fraction of a second of processor time", async () => {
  await using stage = await Stage.open();
  stage.cloud.addEndpoint({ url: "http://sink.myapp:8181", backend: { sink: BYTES } });
  stage.startDaemon();
  const [row] = await stage.active(1);
  async function secondsFor(first: string, repeat: string): Promise<number> {
    const before = await processFigures(stage.pid);
    assert.match(
      await sendStream(row!.listen_address, first, repeat),
      new RegExp(`^[0-9a-f]{64} ${BYTES}\n`),
    );
    return (await processFigures(stage.pid)).cpuSeconds - before.cpuSeconds;
  }
  for (const [name, first, repeat, maxSeconds] of STREAMS) {
    const seconds = await secondsFor(first, repeat);
    assert.ok(seconds <= maxSeconds, `${name}: ${seconds} s`);
  }
});

const RESPONSE = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
const LONG = "x".repeat(16_000);

/** Heads of messages, each with the long lines behind it that arrive byte by byte. */
const LONG_LINES: readonly (readonly [name: string, head: string, lines: string])[] = [
  ["the trailers of a response", RESPONSE, `0\r\nX: ${LONG}`],
  ["the chunk lines of a response", RESPONSE, `1;${LONG.slice(0, 1000)}\r\nx\r\n`.repeat(120)],
  ["the trailers of a request", POST, `0\r\nX: ${LONG}`],
  ["the chunk lines of a request", POST, `1;${LONG.slice(0, 1000)}\r\nx\r\n`.repeat(120)],
];

/** Takes the head at once, and the lines in pieces of 1 byte. */
function takeBytes(head: string, lines: string): void {
  const bytes = latin1(lines);
  if (head === RESPONSE) {
    const reader = new ResponseReader();
    reader.expect("other");
    reader.take(latin1(head));
    for (let at = 0; at < bytes.length; at++) reader.take(bytes.subarray(at, at + 1));
    return assert.equal(reader.isFinal, false);
  }
  const framer = new RequestFramer({ admit: () => undefined });
  assert.equal(framer.next(latin1(head)).kind, "pass");
  let start = 0;
  for (let end = 1; end <= bytes.length; end++) {
    const step = framer.next(bytes.subarray(start, end));
    assert.ok(step.kind === "pass" || step.kind === "more");
    if (step.kind === "pass") start += step.count;
  }
}

// Each byte once had all bytes of its line searched again: lines of 120 KB took 7 s.
Deno.test("long lines of chunked bodies that come byte by byte are searched once (R81)", () => {
  for (const [name, head, lines] of LONG_LINES) {
    const before = cpuUsage().user;
    takeBytes(head, lines);
    const seconds = (cpuUsage().user - before) / 1e6;
    assert.ok(seconds <= 0.5, `${name}: ${seconds} s`);
  }
});
