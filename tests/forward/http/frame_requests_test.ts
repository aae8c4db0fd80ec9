import assert from "node:assert/strict";
import fc from "fast-check";
import { type FrameResult, RequestFramer, switchOf } from "../../../src/forward/http/frame_requests.ts";
import { type HeadRules, OWN_HEAD, SHARED_HEAD } from "../../../src/forward/http/head_rules.ts";
import type { RequestHead } from "../../../src/forward/http/parse_head.ts";
import { sniffHttp } from "../../../src/forward/http/sniff_http.ts";
import { concat, latin1 } from "../../fakes/memory_stream.ts";

interface Framed {
  /** The bytes that were passed on. */
  readonly passed: string;
  /** The host of each request. */
  readonly hosts: readonly string[];
  /** The step at which the framer stopped. */
  readonly stop: Exclude<FrameResult, { kind: "pass" }>;
}

/** Feeds the text to a framer in these cuts, and the rest at once. */
function frame(
  text: string,
  options: { cuts?: readonly number[]; answers?: boolean; hostField?: string; rules?: HeadRules } = {},
): Framed {
  const { cuts = [], answers, hostField, rules = SHARED_HEAD } = options;
  const hosts: string[] = [];
  const framer = new RequestFramer({
    hostField,
    rules: () => rules,
    admit(head) {
      hosts.push(head.host);
      return head.host === "evil" ? { status: 421, reason: "no" } : undefined;
    },
  });
  const bytes = latin1(text);
  const passed: Uint8Array[] = [];
  const ends = [...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  let start = 0;
  let stop: Framed["stop"] = { kind: "more", unseen: 0 };
  for (const end of ends) {
    for (;;) {
      const step = framer.next(bytes.subarray(start, end));
      if (step.kind === "pass") {
        assert.ok(step.count > 0 && step.count <= end - start);
        passed.push(step.instead ?? bytes.slice(start, start + step.count));
        start += step.count;
        continue;
      }
      const count = hosts.length;
      assert.deepEqual(framer.next(bytes.subarray(start, end)), step, "only a pass changes the state");
      hosts.length = count;
      stop = step;
      if (step.kind !== "switch" || answers === undefined) break;
      framer.answerSwitch(answers);
    }
  }
  return { passed: String.fromCharCode(...concat(passed)), hosts, stop };
}

function headOf(text: string): RequestHead {
  const sniff = sniffHttp(latin1(text));
  assert.ok(sniff !== "more" && sniff.kind === "request");
  return sniff.head;
}

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const POST = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
const CHUNKED = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

Deno.test("RequestFramer finds every request for any bodies and any cut", () => {
  const requests = [
    GET,
    POST,
    `${CHUNKED}3\r\nabc\r\n0A;x=\"y\"\r\n0123456789\r\n0\r\nT: 1\r\n\r\n`,
    `${CHUNKED}0\r\n\r\n`,
    `\r\n${GET}`,
  ];
  fc.assert(
    fc.property(
      fc.array(fc.nat(4), { minLength: 1, maxLength: 6 }),
      fc.array(fc.nat(1000), { maxLength: 30 }),
      (order, cuts) => {
        const text = order.map((index) => requests[index]).join("");
        const { passed, hosts, stop } = frame(text, { cuts });
        assert.equal(passed, text);
        assert.equal(hosts.length, order.length);
        assert.deepEqual(stop, { kind: "more", unseen: 0 });
      },
    ),
    { seed: 5, numRuns: 150 },
  );
});

Deno.test("RequestFramer passes nothing of a refused request and nothing after it", () => {
  const { passed, hosts, stop } = frame(`${POST}GET / HTTP/1.1\r\nHost: evil\r\n\r\n${GET}`);
  assert.equal(passed, POST);
  assert.deepEqual(hosts, ["a", "evil"]);
  assert.deepEqual(stop, { kind: "refuse", refusal: { status: 421, reason: "no" } });
});

Deno.test("RequestFramer ignores a request inside a body", () => {
  const inner = "GET / HTTP/1.1\r\nHost: evil\r\n\r\n";
  const text = `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${inner.length}\r\n\r\n${inner}`;
  assert.deepEqual(frame(text).hosts, ["a"]);
  assert.deepEqual(frame(`${CHUNKED}${inner.length.toString(16)}\r\n${inner}\r\n0\r\n\r\n`).hosts, ["a"]);
});

Deno.test("RequestFramer refuses ambiguous chunked bodies", () => {
  const cases: Record<string, string> = {
    "no size": "\r\n",
    "not hexadecimal": "g\r\n",
    "0x": "0x3\r\nabc\r\n",
    "a sign": "+3\r\nabc\r\n",
    "a blank in front": " 3\r\nabc\r\n",
    "a size beyond 2^53": "fffffffffffffff\r\n",
    "a bare LF after the size": "3\nabc\r\n",
    "only a bare LF": "\nabc\r\n",
    "a bare CR in an extension": "3;a\rb\r\nabc\r\n",
    "more than the size": "3\r\nabcd\r\n",
    "a bare LF after the data": "3\r\nabc\n\n",
    "an endless extension": `3;${"x".repeat(2000)}`,
    "a trailer without colon": "0\r\nX\r\n\r\n",
    "a folded trailer": "0\r\nX: y\r\n z\r\n\r\n",
    "a Host in the trailers": "0\r\nHost: y\r\n\r\n",
    "a length in the trailers": "0\r\nX: y\r\ncontent-length: 3\r\n\r\n",
    "a coding in the trailers": "0\r\nTransfer-Encoding: chunked\r\n\r\n",
    "endless trailers": `0\r\n${"X: y\r\n".repeat(6000)}`,
  };
  for (const [what, body] of Object.entries(cases)) {
    const { stop } = frame(CHUNKED + body);
    assert.ok(stop.kind === "refuse" && stop.refusal.status === 400, `${what}: ${JSON.stringify(stop)}`);
  }
});

Deno.test("RequestFramer refuses heads that sniffHttp() refuses, HTTP/2 and a later CONNECT", () => {
  for (
    const bad of [
      "GET / HTTP/1.1\r\n\r\n",
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
      "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
    ]
  ) {
    const { passed, stop } = frame(GET + bad);
    assert.equal(passed, GET);
    assert.ok(stop.kind === "refuse" && stop.refusal.status === 400, JSON.stringify(stop));
  }
  assert.deepEqual(frame(`GET / HTTP/1.1\r\nHost: a\r\n${"X: y\r\n".repeat(201)}\r\n`).stop.kind, "refuse");
});

// A client that sent CRLF behind a body and then was idle got 408, because its head was late.
Deno.test("RequestFramer drops empty lines between lenient requests at once (R88)", () => {
  const lenient = "POST / HTTP/1.1\nHost: a\nContent-Length: 2\n\nhi\r\n\n";
  const normal = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";
  for (let cut = 0; cut <= lenient.length; cut++) {
    const { passed, stop } = frame(lenient.repeat(2), { cuts: [cut, lenient.length + cut], rules: OWN_HEAD });
    assert.equal(passed, normal.repeat(2), `${cut}`);
    assert.deepEqual(stop, { kind: "more", unseen: 0 });
  }
});

const UPGRADE = "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\nX: y\r\n\r\n";

Deno.test("RequestFramer stops after a request to switch, and passes all bytes if the server agrees", () => {
  assert.deepEqual(frame(`${UPGRADE}\x81\x00`).stop, { kind: "switch" });
  assert.equal(frame(`${UPGRADE}\x81\x00`).passed, UPGRADE);
  const switched = frame(`${UPGRADE}\x81\x00GET / HTTP/1.1\r\nHost: evil\r\n\r\n`, { answers: true });
  assert.equal(switched.passed, `${UPGRADE}\x81\x00GET / HTTP/1.1\r\nHost: evil\r\n\r\n`);
  assert.deepEqual(switched.stop, { kind: "more", unseen: Infinity });
  const connect = "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n";
  assert.equal(frame(`${connect}\x16\x03`, { answers: true }).passed, `${connect}\x16\x03`);
  const withBody = UPGRADE.replace("X: y", "Content-Length: 2");
  assert.equal(frame(`${withBody}hi\x81`, { answers: true }).passed, `${withBody}hi\x81`);
});

Deno.test("RequestFramer goes on with requests if the server does not switch", () => {
  const { passed, hosts, stop } = frame(`${UPGRADE}${GET}GET / HTTP/1.1\r\nHost: evil\r\n\r\n`, {
    answers: false,
  });
  assert.equal(passed, UPGRADE + GET);
  assert.deepEqual(hosts, ["a", "a", "evil"]);
  assert.equal(stop.kind, "refuse");
});

// aiohttp got 400 for a WebSocket in a session that it had used before: Upgrade was removed there.
Deno.test("RequestFramer lets any request switch protocols, and removes h2c from every one", () => {
  const late = frame(`${GET}${POST}${UPGRADE}\x81\x00`, { answers: true });
  assert.equal(late.passed, `${GET}${POST}${UPGRADE}\x81\x00`);
  assert.equal(frame(UPGRADE + UPGRADE + GET, { answers: false }).passed, UPGRADE + UPGRADE + GET);
  const h2c = UPGRADE.replace("websocket", "foo, H2C");
  const plain = h2c.replace("Upgrade: foo, H2C\r\n", "");
  assert.equal(frame(h2c + GET + h2c).passed, plain + GET + plain);
});

Deno.test("RequestFramer passes a CONNECT again after one that was refused", () => {
  const connect = "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n";
  assert.equal(frame(connect + connect, { answers: false }).passed, connect + connect);
});

Deno.test("RequestFramer stops at a request that is held, without a change of its state", () => {
  let isReady = false;
  const framer = new RequestFramer({ admit: () => isReady ? undefined : "hold" });
  const request = GET.replace("\r\n\r\n", "\r\nX: y\r\nOrigin: http://a\r\nUpgrade: x\r\n\r\n");
  for (let round = 0; round < 2; round++) {
    const step = framer.next(latin1(request));
    assert.ok(step.kind === "hold" && step.head.host === "a");
    // A head may wait for long, and have 32,000 fields.
    assert.deepEqual(step.head.fields.map(({ name, value }) => `${name}: ${value}`), [
      "host: a",
      "origin: http://a",
      "upgrade: x",
    ]);
  }
  isReady = true;
  assert.deepEqual(framer.next(latin1(request)), { kind: "pass", count: request.length });
});

Deno.test("RequestFramer changes only the Host of every request, for any cut", () => {
  const templates = [
    "GET / HTTP/1.1\r\nX-b: 1\r\nhOsT:\t @  \r\nx-A:2\r\nX-b:  3 \r\n\r\n",
    "\r\nPOST /@ HTTP/1.1\r\nHost:@\r\nContent-Length: 27\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: @\r\n\r\n5;x=y\r\n\r\n\r\nH\r\n0\r\nT: 1\r\n\r\n",
    "GET http://@/?http://other/ HTTP/1.1\r\nHost: @\r\nReferer: http://a/\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nX:\xff\r\nHost: @\r\n\r\n",
    "PATCH /x HTTP/1.0\r\nContent-Length: 0\r\nHost: @\r\n\r\n",
  ];
  fc.assert(
    fc.property(
      fc.array(
        fc.tuple(
          fc.nat(templates.length - 1),
          fc.constantFrom("a", "10.0.0.2:9080", "[::1]", "very.long.name"),
        ),
        {
          minLength: 1,
          maxLength: 6,
        },
      ),
      fc.array(fc.nat(1000), { maxLength: 30 }),
      fc.constantFrom("api.myapp", "b:8080"),
      (requests, cuts, hostField) => {
        const fill = (index: number, host: string): string =>
          templates[index]!.replace(/(:\/\/|:[\t ]*)@/g, `$1${host}`);
        const sent = requests.map(([index, host]) => fill(index, host)).join("");
        const wanted = requests.map(([index]) => fill(index, hostField)).join("");
        const { passed, hosts, stop } = frame(sent, { cuts, hostField });
        assert.equal(passed, wanted);
        assert.equal(hosts.length, requests.length);
        assert.deepEqual(stop, { kind: "more", unseen: 0 });
      },
    ),
    { seed: 6, numRuns: 200 },
  );
});

Deno.test("RequestFramer rewrites a request to switch, and nothing after the switch", () => {
  const sent = `${UPGRADE}\x81\x00${GET}`;
  assert.equal(
    frame(sent, { answers: true, hostField: "api.myapp" }).passed,
    `${UPGRADE.replace("Host: a", "Host: api.myapp")}\x81\x00${GET}`,
  );
  assert.equal(
    frame(UPGRADE + GET, { answers: false, hostField: "api.myapp" }).passed,
    (UPGRADE + GET).replaceAll("Host: a", "Host: api.myapp"),
  );
});

Deno.test("RequestFramer counts body bytes that were passed on unread", () => {
  const framer = new RequestFramer({ admit: () => undefined });
  assert.equal(framer.inHead, true);
  assert.deepEqual(framer.next(latin1(POST.slice(0, -5))), { kind: "pass", count: POST.length - 5 });
  assert.equal(framer.inHead, false);
  assert.deepEqual(framer.next(new Uint8Array(0)), { kind: "more", unseen: 5 });
  framer.countUnseen(3);
  assert.deepEqual(framer.next(new Uint8Array(0)), { kind: "more", unseen: 2 });
  framer.countUnseen(2);
  assert.equal(framer.inHead, true);
});

Deno.test("switchOf() recognises CONNECT and Upgrade", () => {
  assert.equal(switchOf(headOf(GET)), undefined);
  assert.equal(switchOf(headOf(UPGRADE)), "upgrade");
  assert.equal(switchOf(headOf(UPGRADE.replace("websocket", "h2c"))), undefined);
  assert.equal(switchOf(headOf(UPGRADE.replace("websocket", ""))), undefined);
  assert.equal(switchOf(headOf("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n")), "connect");
});
