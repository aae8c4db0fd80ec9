import assert from "node:assert/strict";
import { type Behaviour, collect, httpMirror } from "../../fakes/fake_ingress.ts";
import { get } from "../../fakes/http_request.ts";
import { text } from "../../fakes/memory_stream.ts";
import { route } from "../../fakes/routes.ts";
import { startForwarder } from "../../fakes/start_forwarder.ts";

const EVIL = get("evil", "/evil");
const POST = "POST / HTTP/1.1\r\n";
const shared = { listenInterface: "0.0.0.0" };

/**
 * Heads after `POST / HTTP/1.1` that two parsers could read differently; `~` stands for the Host.
 */
const AMBIGUOUS: Readonly<Record<string, string>> = {
  "a length and chunked": "Host: ~\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  "chunked and a length": "Host: ~\r\nTransfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\n",
  "two lengths that differ": "Host: ~\r\nContent-Length: 0\r\nContent-Length: 44\r\n\r\n",
  "two lengths that agree": "Host: ~\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
  "a list of lengths": "Host: ~\r\nContent-Length: 0, 44\r\n\r\n",
  "a signed length": "Host: ~\r\nContent-Length: +0\r\n\r\n",
  "an empty length": "Host: ~\r\nContent-Length:\r\n\r\n",
  "a hexadecimal length": "Host: ~\r\nContent-Length: 0x0\r\n\r\n",
  "a length beyond 2^53": "Host: ~\r\nContent-Length: 9007199254740993\r\n\r\n",
  "chunked that is not last": "Host: ~\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
  "chunked twice": "Host: ~\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
  "an unknown coding": "Host: ~\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
  "codings in two fields": "Host: ~\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
  "a blank before a colon": "Host: ~\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
  "a blank before Host's colon": "Host : ~\r\n\r\n",
  "obs-fold in a coding": "Host: ~\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
  "obs-fold in Host": "Host: ~\r\n evil\r\n\r\n",
  "a NUL in a value": "Host: ~\r\nX: \0\r\n\r\n",
  "a NUL in a name": "Host: ~\r\nX\0: y\r\n\r\n",
  "an empty name": "Host: ~\r\n: y\r\n\r\n",
  "no colon": "Host: ~\r\nX\r\n\r\n",
  "no Host": "X: y\r\n\r\n",
  "two Hosts": "Host: ~\r\nHost: evil\r\n\r\n",
  "two spellings of Host": "Host: ~\r\nhOST: ~\r\n\r\n",
  "a list of Hosts": "Host: ~, evil\r\n\r\n",
  "a user in Host": "Host: x@evil\r\n\r\n",
};

/**
 * Heads in a form that RFC 9112 2.2 and 3 let a server accept, and the normal form of each; `~`
 * stands for the Host.
 */
const LENIENT: Readonly<Record<string, readonly [sent: string, normal: string]>> = {
  "two empty lines": ["\r\n\nGET / HTTP/1.1\r\nHost: ~\r\n\r\n", "GET / HTTP/1.1\r\nHost: ~\r\n\r\n"],
  "bare LFs": [
    "POST / HTTP/1.1\nHost: ~\nContent-Length: 2\n\nhi",
    "POST / HTTP/1.1\r\nHost: ~\r\nContent-Length: 2\r\n\r\nhi",
  ],
  "a bare LF at the end": ["GET / HTTP/1.1\r\nHost: ~\r\n\n", "GET / HTTP/1.1\r\nHost: ~\r\n\r\n"],
  "white space in the request line": [
    " GET \t/\v HTTP/1.1\f \r\nHost: ~\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: ~\r\n\r\n",
  ],
  "blank lines and a fold before the first field": [
    "GET / HTTP/1.1\r\n X: y\r\n\t\r\nHost: ~\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: ~\r\n\r\n",
  ],
  "a bare CR in a value": [
    "GET / HTTP/1.1\r\nHost: ~\r\nX: y\rContent-Length: 44\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: ~\r\nX: y Content-Length: 44\r\n\r\n",
  ],
};

/**
 * Chunked bodies that two parsers could read differently: the part that may pass, and the part that
 * must not.
 */
const AMBIGUOUS_CHUNKS: Readonly<Record<string, readonly [passes: string, stops: string]>> = {
  "a size beyond 2^53": ["", "ffffffffffffffff\r\n"],
  "a size that wraps at 2^64": ["", "10000000000000000\r\n\r\n"],
  "0x": ["", "0x0\r\n\r\n"],
  "a sign": ["", "-0\r\n\r\n"],
  "a blank before the size": ["", " 0\r\n\r\n"],
  "no size": ["", "\r\n"],
  "a bare LF after the size": ["", "0\n\r\n"],
  "a bare LF in an extension": ["", "0;a\nb\r\n\r\n"],
  "a bare CR in an extension": ["", "0;a\rb\r\n\r\n"],
  "an extension without end": ["", `0;${"x".repeat(17_000)}\r\n\r\n`],
  "more data than the size": ["3\r\nabc", "d\r\n0\r\n\r\n"],
  "a bare LF after the data": ["3\r\nabc", "\n0\r\n\r\n"],
  "a bare LF for the last line": ["0\r\n", "\n"],
  "a Host in the trailers": ["0\r\n", "Host: evil\r\n\r\n"],
  "a length in the trailers": ["0\r\n", "Content-Length: 44\r\n\r\n"],
  "a folded trailer": ["0\r\nX: y\r\n", " z\r\n\r\n"],
};

/**
 * Listeners with the Host that the client sends and the one that the server gets; `~` stands for
 * both.
 */
const LISTENERS = {
  "a virtual listener": {
    routes: [route("http://api.myapp:8080")],
    sent: "127.0.0.1:9080",
    received: "api.myapp:8080",
  },
  "a shared listener": {
    routes: [route("http://a.example.com:80", shared), route("http://b.example.com:80", shared)],
    sent: "a.example.com",
    received: "a.example.com",
  },
};

const AMBIGUOUS_REQUESTS = {
  ...Object.fromEntries(Object.entries(AMBIGUOUS).map(([what, rest]) => [what, POST + rest])),
  "garbage": "GARBAGE\r\n\r\n",
  "NULs": "\0\0\0\0",
  "TLS": "\x16\x03\x01",
  "HTTP/0.9": "GET /\r\n\r\n",
  "HTTP/2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  "a late CONNECT": "CONNECT x:1 HTTP/1.1\r\nHost: ~\r\n\r\n",
  "a user in the target": "GET http://u@evil/ HTTP/1.1\r\nHost: ~\r\n\r\n",
};

for (const [listener, { routes, sent, received }] of Object.entries(LISTENERS)) {
  Deno.test(`${listener} answers 400 to an ambiguous first request without asking the ingress (R34)`, async () => {
    await using it = startForwarder(routes, { behave: () => assert.fail("the ingress must not be asked") });
    for (const [what, rest] of Object.entries(AMBIGUOUS)) {
      const answer = await it.ask((POST + rest).replaceAll("~", sent) + EVIL);
      assert.match(answer, /^HTTP\/1\.1 400 Bad Request\r\n[^]*Connection: close\r\n/, what);
      assert.equal(answer.split("HTTP/1.1 ").length, 2, `${what}: one answer`);
    }
    assert.deepEqual(it.ingress.asked, []);
  });

  Deno.test(`${listener} passes on only the requests before an ambiguous one (R34, R35)`, async () => {
    const seen: string[] = [];
    await using it = startForwarder(routes, { behave: collect(seen) });
    const good = `${POST}Host: ~\r\nContent-Length: 5\r\n\r\nhello`;
    for (const [what, bad] of Object.entries(AMBIGUOUS_REQUESTS)) {
      assert.match(
        await it.ask((good + bad).replaceAll("~", sent) + EVIL),
        /^HTTP\/1\.1 204 No Content\r\n\r\nHTTP\/1\.1 400 Bad Request\r\n/,
        what,
      );
      assert.deepEqual(seen.splice(0), [good.replace("~", received)], what);
    }
  });

  Deno.test(`${listener} passes on nothing after the ambiguity in a chunked body (R34)`, async () => {
    const seen: string[] = [];
    await using it = startForwarder(routes, { behave: collect(seen) });
    const head = `${POST}Host: ~\r\nTransfer-Encoding: chunked\r\n\r\n`;
    for (const [what, [passes, stops]] of Object.entries(AMBIGUOUS_CHUNKS)) {
      assert.match(
        await it.ask(head.replace("~", sent) + passes + stops + EVIL),
        /HTTP\/1\.1 400 Bad Request\r\n[^]*Connection: close\r\n/,
        what,
      );
      assert.deepEqual(seen.splice(0), [head.replace("~", received) + passes], what);
    }
  });
}

// A server that reads a bare LF in another way than ngrokd would find other requests in the bytes.
Deno.test("a listener of one endpoint passes on lenient requests in normal form (R34, R88)", async () => {
  const { routes, sent, received } = LISTENERS["a virtual listener"];
  const seen: string[] = [];
  await using it = startForwarder(routes, { behave: collect(seen) });
  const good = get("~");
  for (const [what, [lenient, normal]] of Object.entries(LENIENT)) {
    for (const [host, passed] of [[sent, received], [received, received]] as const) {
      await it.ask((lenient + good).replaceAll("~", host));
      assert.deepEqual(seen.splice(0).join(""), (normal + good).replaceAll("~", passed), what);
      await it.ask((good + lenient).replaceAll("~", host));
      const later = host === received ? lenient : normal;
      assert.deepEqual(seen.splice(0).join(""), (good + later).replaceAll("~", passed), `${what}, later`);
    }
  }
});

Deno.test("a shared listener answers 400 to lenient requests (R34)", async () => {
  const { routes, sent } = LISTENERS["a shared listener"];
  const seen: string[] = [];
  await using it = startForwarder(routes, { behave: collect(seen) });
  for (const [what, [lenient]] of Object.entries(LENIENT)) {
    const answer = await it.ask(lenient.replaceAll("~", sent));
    assert.match(answer, /^HTTP\/1\.1 400 /, what);
  }
  assert.deepEqual(seen, []);
});

/** Behaves as {@linkcode httpMirror}, and collects all bytes for each host. */
function mirrorAndCollect(into: Map<string, string>): Behaviour {
  return async (conn, { host }) => {
    const read = conn.read.bind(conn);
    conn.read = async (buffer) => {
      const count = await read(buffer);
      into.set(host, (into.get(host) ?? "") + text(buffer.subarray(0, count ?? 0)));
      return count;
    };
    await httpMirror(conn);
  };
}

Deno.test("no ambiguous request for one of two hosts on a connection reaches either (R34, R35)", async () => {
  const seen = new Map<string, string>();
  const routes = ["a", "b", "evil"].map((name) => route(`http://${name}:80`, shared));
  await using it = startForwarder(routes, { behave: mirrorAndCollect(seen) });
  const [first, second] = [get("a", "/1"), get("b", "/2")];
  const chunked = `${POST}Host: b\r\nTransfer-Encoding: chunked\r\n\r\n`;
  const cases = [
    ...Object.entries(AMBIGUOUS_REQUESTS).map(([what, bad]) => [what, "", bad.replaceAll("~", "b")] as const),
    ...Object.entries(AMBIGUOUS_CHUNKS).map(([what, [passes, stops]]) =>
      [what, chunked + passes, stops] as const
    ),
  ];
  for (const [what, passes, stops] of cases) {
    const answers = await it.ask(first + second + passes + stops + EVIL + first);
    // The mirror answers a head without a length at once.
    const codes = passes === "" ? [200, 200, 400] : [200, 200, 200, 400];
    assert.deepEqual(answers.match(/(?<=HTTP\/1\.1 )[0-9]{3}/g)?.map(Number), codes, what);
    assert.deepEqual([...seen], [["a", first], ["b", second + passes]], what);
    seen.clear();
  }
});
