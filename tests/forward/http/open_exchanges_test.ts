import assert from "node:assert/strict";
import { OpenExchanges } from "../../../src/forward/http/open_exchanges.ts";
import { latin1 } from "../../fakes/memory_stream.ts";

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const CHUNKED =
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=1\r\nabc\r\n10\r\n0123456789abcdef\r\n";

const CASES: Readonly<Record<string, [method: string, responses: string, isOpen: boolean | undefined]>> = {
  "nothing yet": ["", "", false],
  "a request without an answer": ["GET", "", true],
  "a part of a head": ["GET", "HTTP/1.1 200 OK\r\nContent-Le", true],
  "a whole response": ["GET", OK, false],
  "a part of a body": ["GET", OK.slice(0, -1), true],
  "a part of a second, pipelined response": ["GET", OK + OK.slice(0, 9), true],
  "two pipelined responses": ["GET", OK + OK, false],
  "an empty body": ["PUT", "HTTP/1.1 200 OK\r\ncontent-length:0\r\n\r\n", false],
  "a response to HEAD": ["HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n" + OK, false],
  "a 304 with a length": ["GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", false],
  "a 100 before the response": ["POST", "HTTP/1.1 100 Continue\r\n\r\n", true],
  "a 100 and the response": ["POST", "HTTP/1.1 100 Continue\r\n\r\n" + OK, false],
  "a 103 before the response": ["GET", "HTTP/1.1 103 Early Hints\r\n\r\n", true],
  "a part of the last response": ["GET", OK.replace("\r\n", "\r\nConnection: close\r\n").slice(0, -1), true],
  "a part of the chunks": ["GET", CHUNKED, true],
  "all chunks": ["GET", CHUNKED + "0\r\n\r\n", false],
  "all chunks and a trailer": ["GET", CHUNKED + "0\r\nX-A: b\r\n\r\n" + OK, false],
  "a body up to the end": ["GET", "HTTP/1.1 200 OK\r\n\r\nabc", undefined],
  "two lengths": ["GET", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na", undefined],
  "a switch of protocols": ["GET", "HTTP/1.1 101 Switching Protocols\r\n\r\n\x81\x00", undefined],
  "a tunnel": ["CONNECT", "HTTP/1.1 200 OK\r\n\r\n", undefined],
  "no HTTP": ["GET", "220 mail.example.com ESMTP\r\n\r\n", undefined],
  "an endless head": ["GET", "HTTP/1.1 200 OK\r\nX: " + "x".repeat(70_000), undefined],
};

Deno.test("OpenExchanges tells if a response is missing or incomplete, however it arrives", () => {
  for (const [name, [method, responses, isOpen]] of Object.entries(CASES)) {
    for (const size of [1, 7, Infinity]) {
      const exchanges = new OpenExchanges();
      if (method !== "") exchanges.request(latin1(`${method} / HTTP/1.1\r\n`));
      const bytes = latin1(responses);
      for (let start = 0; start < bytes.length; start += Math.min(size, bytes.length)) {
        exchanges.response(bytes.subarray(start, start + size));
      }
      assert.equal(exchanges.isOpen, isOpen, `${name}, ${size} bytes at once`);
    }
  }
});
