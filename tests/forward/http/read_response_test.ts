import assert from "node:assert/strict";
import fc from "fast-check";
import type { RequestKind } from "../../../src/forward/http/parse_response.ts";
import { MAX_RESPONSE_HEAD_BYTES, ResponseReader } from "../../../src/forward/http/read_response.ts";
import { latin1 } from "../../fakes/memory_stream.ts";

const OK = "HTTP/1.1 200 OK\r\n";
const EMPTY = `${OK}Content-Length: 0\r\n\r\n`;
const CHUNKS = `${OK}transfer-encoding:\tChunked \r\n\r\n3;x="y"\r\nabc\r\n0\r\nT: 1\r\n\r\n`;
const NEXT = "HTTP/1.1 200 OK\r\nX: not an answer to anything\r\n\r\n";

interface ReadResponses {
  readonly taken: number;
  readonly isIdle: boolean;
  readonly isFinal: boolean;
  readonly hasSwitched: boolean | undefined;
}

/** Gives the text to a reader that expects these responses, in these cuts. */
function readText(kinds: readonly RequestKind[], text: string, cuts: readonly number[] = []): ReadResponses {
  const reader = new ResponseReader();
  for (const kind of kinds) reader.expect(kind);
  const bytes = latin1(text);
  const ends = [...cuts.map((cut) => cut % bytes.length).sort((a, b) => a - b), bytes.length];
  let taken = 0;
  for (const end of ends) {
    const count = reader.take(bytes.subarray(taken, end));
    taken += count;
    if (taken < end) break;
  }
  const { isIdle, isFinal, hasSwitched } = reader;
  return { taken, isIdle, isFinal, hasSwitched };
}

/** Returns how a response ends: before `NEXT`, before `NEXT` as the last one, or never. */
function endOf(kind: RequestKind, response: string, cuts?: readonly number[]): string {
  const { taken, isIdle, isFinal } = readText([kind], response + NEXT, cuts);
  if (isIdle) {
    assert.equal(taken, response.length, response);
    return isFinal ? "last" : "ends";
  }
  assert.equal(taken, response.length + NEXT.length, response);
  return isFinal ? "never" : "more";
}

/** Each response to a request of a kind, and how it ends. */
const RESPONSES: readonly (readonly [kind: RequestKind, response: string, end: string])[] = [
  ["other", EMPTY, "ends"],
  ["other", `${OK}CONTENT-LENGTH:5\r\nX: y\r\n\r\nhello`, "ends"],
  ["other", CHUNKS, "ends"],
  ["other", "HTTP/1.1 204 No Content\r\n\r\n", "ends"],
  ["other", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", "ends"],
  ["other", "HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n", "ends"],
  ["other", "HTTP/1.1 304\r\n\r\n", "ends"],
  ["head", `${OK}Content-Length: 500\r\n\r\n`, "ends"],
  ["head", `${OK}Transfer-Encoding: chunked\r\n\r\n`, "ends"],
  ["head", `${OK}\r\n`, "ends"],
  ["head_upgrade", `${OK}Content-Length: 500\r\n\r\n`, "ends"],
  ["head_upgrade", `${OK}Transfer-Encoding: chunked\r\n\r\n`, "ends"],
  ["head_upgrade", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n\x81\x00", "never"],
  ["other", `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100\r\n\r\n${EMPTY}`, "ends"],
  // A client may take the 103 for the answer, and the next response for that to its next request.
  ["other", `HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n${EMPTY}`, "last"],
  ["other", `HTTP/1.1 102 Processing\r\n\r\n${EMPTY}`, "last"],
  ["other", `HTTP/1.1 199 X\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n${EMPTY}`, "last"],
  ["other", "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n", "ends"],
  ["other", "HTTP/1.1 205 Reset Content\r\n\r\n", "never"],
  ["other", "HTTP/1.1 205 Reset Content\r\nContent-Length: 3\r\n\r\nabc", "never"],
  ["other", "HTTP/1.1 305 Use Proxy\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "never"],
  ["other", "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", "never"],
  ["other", `HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n${EMPTY}`, "ends"],
  ["upgrade", "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n", "ends"],
  ["connect", "HTTP/1.1 407 X\r\nContent-Length: 2\r\n\r\nno", "ends"],
  ["other", "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 0\r\n\r\n", "ends"],
  ["other", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", "last"],
  ["other", `${OK}Connection: X, Close\r\nContent-Length: 2\r\n\r\nok`, "last"],
  ["other", `${OK}\r\nall until the end`, "never"],
  ["upgrade", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n\x81\x00", "never"],
  ["connect", "HTTP/1.1 200 Connection established\r\n\r\n\x16\x03", "never"],
  ["other", "HTTP/1.1 101 Switching Protocols\r\n\r\n", "never"],
  ["other", `${OK}Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, "never"],
  ["other", `${OK}Content-Length: 0\r\nContent-Length: 0\r\n\r\n`, "never"],
  ["other", `${OK}Content-Length: 0, 0\r\n\r\n`, "never"],
  ["other", `${OK}Content-Length: +0\r\n\r\n`, "never"],
  ["other", `${OK}Content-Length:\xa00\r\n\r\n`, "never"],
  ["other", `${OK}Content-Length: 0\v\r\n\r\n`, "never"],
  ["other", `${OK}: 0\r\nContent-Length: 0\r\n\r\n`, "never"],
  ["other", `${OK}no colon\r\nContent-Length: 0\r\n\r\n`, "never"],
  ["other", "HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n", "never"],
  ["other", "HTTP/1.1 200\tOK\r\nContent-Length: 0\r\n\r\n", "never"],
  ["other", "HTTP/1.1 000 OK\r\nContent-Length: 0\r\n\r\n", "never"],
  ["other", `${OK}Content-Length: 9007199254740993\r\n\r\n`, "never"],
  ["other", `${OK}Content-Length : 0\r\n\r\n`, "never"],
  ["other", `${OK}X: y\r\n Content-Length: 5\r\nContent-Length: 0\r\n\r\n`, "never"],
  ["other", `${OK}X: y\rContent-Length: 5\r\nContent-Length: 0\r\n\r\n`, "never"],
  ["other", `${OK}X: \0\r\nContent-Length: 0\r\n\r\n`, "never"],
  ["other", `HTTP/1.1 200 OK\nContent-Length: 0\n\n`, "never"],
  ["other", `${OK}X: y\n\r\n`, "never"],
  ["other", `${OK}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`, "never"],
  ["other", `${OK}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`, "never"],
  ["other", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "never"],
  ["other", `${OK}Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n`, "never"],
  ["other", `${OK}Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\n\r\n`, "never"],
  ["other", "HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\nabc", "never"],
  ["other", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "never"],
  ["other", `HTTP/1.1 100 Continue\r\nContent-Length: 3\r\n\r\nabc${EMPTY}`, "never"],
  ["other", `\r\n${EMPTY}`, "never"],
  ["other", "HTTP/2 200 OK\r\n\r\n", "never"],
  ["other", "HTTP/1.1 20 OK\r\n\r\n", "never"],
  ["other", "SSH-2.0-x\r\n", "never"],
  ["other", `${OK}X: ${"y".repeat(MAX_RESPONSE_HEAD_BYTES)}\r\n\r\n`, "never"],
];

Deno.test("ResponseReader finds the end of each response, or takes it for the last one", () => {
  for (const [kind, response, end] of RESPONSES) {
    assert.equal(endOf(kind, response), end, JSON.stringify(response.slice(0, 200)));
  }
});

Deno.test("ResponseReader finds the same end for any cut, also for single bytes", () => {
  const short = RESPONSES.filter(([, response]) => response.length < 1000);
  for (const [kind, response, end] of short) {
    const each = Array.from({ length: response.length }, (_, index) => index);
    assert.equal(endOf(kind, response, each), end, JSON.stringify(response));
  }
  fc.assert(
    fc.property(fc.constantFrom(...short), fc.array(fc.nat(1000), { maxLength: 8 }), (row, cuts) => {
      const [kind, response, end] = row;
      assert.equal(endOf(kind, response, cuts), end, JSON.stringify(response));
    }),
    { seed: 8, numRuns: 300 },
  );
});

Deno.test("ResponseReader counts pipelined responses, and gives nobody what answers no request", () => {
  const text = `${EMPTY}${OK}Content-Length: 500\r\n\r\n${CHUNKS}${EMPTY}`;
  const read = readText(["other", "head", "other", "other"], text + NEXT);
  assert.deepEqual([read.taken, read.isIdle, read.isFinal], [text.length, true, false]);
  assert.equal(readText([], NEXT).taken, 0);
});

Deno.test("ResponseReader says whether the server switched protocols", () => {
  const cases: readonly (readonly [RequestKind, string, boolean | undefined])[] = [
    ["upgrade", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n~", true],
    ["upgrade", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101\r\n\r\n", true],
    ["upgrade", `${EMPTY}HTTP/1.1 101 X\r\n\r\n`, false],
    ["upgrade", "HTTP/1.1 101 X\r", undefined],
    ["upgrade", "SSH-2.0-x\r\n", false],
    ["connect", "HTTP/1.0 204 X\r\n\r\n", true],
    ["connect", "HTTP/1.1 407 X\r\n\r\n", false],
  ];
  for (const [kind, response, expected] of cases) {
    assert.equal(readText([kind], response).hasSwitched, expected, response);
  }
  const reader = new ResponseReader();
  reader.expect("upgrade");
  reader.end();
  assert.equal(reader.hasSwitched, false);
});

Deno.test("ResponseReader bounds the requests that it remembers", () => {
  const reader = new ResponseReader();
  for (let count = 0; count < 200_000; count++) reader.expect("other");
  let alternating = 0;
  for (; reader.mayExpect(alternating % 2 === 0 ? "head" : "other"); alternating++) {
    reader.expect(alternating % 2 === 0 ? "head" : "other");
  }
  assert.ok(alternating < 1000);
});
