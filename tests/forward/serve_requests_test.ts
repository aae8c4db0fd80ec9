import assert from "node:assert/strict";
import { MAX_KEPT } from "../../src/forward/connection_upstreams.ts";
import { AcceptedTcp } from "../../src/system/accepted_tcp.ts";
import type { ByteStream } from "../../src/system/byte_stream.ts";
import {
  answerFrame,
  type Asked,
  type Behaviour,
  type Conn,
  httpMirror,
  mirrorInto,
  NO_CONTENT,
  WELCOME,
} from "../fakes/fake_ingress.ts";
import { fakeClock } from "../fakes/fake_clock.ts";
import { get } from "../fakes/http_request.ts";
import { copyStream, readAll, readExactly, readUntil, send, text } from "../fakes/memory_stream.ts";
import { route } from "../fakes/routes.ts";
import { until } from "../fakes/sockets.ts";
import { startForwarder, type StartOptions } from "../fakes/start_forwarder.ts";

const A = "a.example.com";
const B = "b.example.com";
const C = "c.example.com";
const UPGRADE = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
const SWITCHED = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";

/** A shared http listener for a.example.com, b.example.com and further names. */
function share(options: StartOptions = {}, names: readonly string[] = [A, B]) {
  const routes = names.map((name) => route(`http://${name}:80`, { listenInterface: "0.0.0.0" }));
  return startForwarder(routes, { behave: httpMirror, ...options });
}

/** Behaves as the server of the host that was asked for. */
function byHost(servers: Readonly<Record<string, Behaviour>>): Behaviour {
  return (conn, asked) => (servers[asked.host] ?? httpMirror)(conn, asked);
}

/** Answers every request with the same bytes. */
function always(answer: string): Behaviour {
  return async (conn) => {
    await send(conn, WELCOME);
    while (await readUntil(conn, "\r\n\r\n") !== "") await send(conn, answer);
  };
}

/** Sends a request and returns the response of a server that mirrors it. */
async function ask(conn: Deno.TcpConn, request: string): Promise<string> {
  await send(conn, request);
  await readUntil(conn, "\r\n\r\n");
  return text(await readExactly(conn, request.length));
}

function hosts(asked: readonly Asked[]): string[] {
  return asked.map(({ host }) => host[0]!);
}

// A client that pools by address, such as the JDK's, once got 421 for the second host.
Deno.test("a connection serves every host, with one upstream for each, pipelined or not (R83)", async () => {
  await using it = share();
  using conn = await it.dial();
  for (const host of [A, B, A, B, A]) assert.equal(await ask(conn, get(host)), get(host));
  assert.deepEqual(hosts(it.ingress.asked), ["a", "b"]);
  const paths = Array.from({ length: 40 }, (_, index) => `/${index}`);
  const body = "x".repeat(20_000);
  const post = (host: string, path: string): string =>
    `POST ${path} HTTP/1.1\r\nHost: ${host}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  const pipelined = paths.map((path, index) =>
    index % 5 === 4 ? post(index % 2 === 0 ? A : B, path) : get(index % 3 === 0 ? A : B, path)
  );
  const answers = await it.ask(pipelined.join(""));
  const received = answers.split(/HTTP\/1\.1 200 OK\r\nContent-Length: [0-9]+\r\n\r\n/).slice(1);
  assert.deepEqual(received, pipelined, "in the order of the requests, none lost");
});

Deno.test("a connection keeps a bounded number of upstreams, and counts each of them (R83)", async () => {
  const names = Array.from({ length: MAX_KEPT + 3 }, (_, index) => `n${index}.example.com`);
  await using it = share({}, names);
  using conn = await it.dial();
  for (const name of names) assert.equal(await ask(conn, get(name)), get(name));
  await until(() => it.ingress.open.size === MAX_KEPT + 1);
  assert.deepEqual(
    names.map((name) => it.forwarder.traffic(`ep_${name}`).open),
    [0, 0, ...Array.from({ length: MAX_KEPT + 1 }, () => 1)],
  );
  const first = it.forwarder.traffic(`ep_${names[0]}`);
  assert.deepEqual([first.total, first.bytesIn], [1, get(names[0]!).length]);
  assert.equal(await ask(conn, get(names[0]!)), get(names[0]!), "one that was ended is opened again");
  conn.close();
  await until(() => names.every((name) => it.forwarder.traffic(`ep_${name}`).open === 0));
  await until(() => it.ingress.open.size === 0);
});

Deno.test("a kept upstream gives its slot to another client without harm to its own (R83)", async () => {
  using clock = fakeClock();
  await using it = share({ plan: { slots: 2 } });
  using conn = await it.dial();
  for (const host of [A, B]) assert.equal(await ask(conn, get(host)), get(host));
  using other = await it.dial();
  clock.spend(1100);
  await ask(conn, get(B));
  assert.equal(await ask(other, get(B)), get(B));
  assert.equal(await ask(conn, get(B)), get(B), "only the kept one has ended");
});

Deno.test("a connection gives its own kept upstreams up before it waits for a slot (R83)", async () => {
  await using it = share({ plan: { slots: 1 } });
  using conn = await it.dial();
  for (const host of [A, B, A]) assert.equal(await ask(conn, get(host)), get(host));
});

const UNSAFE = `POST / HTTP/1.1\r\nHost: ${A}\r\nContent-Length: 2\r\n\r\nhi`;

Deno.test("a kept upstream that has died costs no request (R84)", async () => {
  for (const request of [get(A), UNSAFE, get(A).replace("\r\n\r\n", `\r\n${UPGRADE}\r\n`)]) {
    await using it = share();
    using conn = await it.dial();
    for (const host of [A, B]) await ask(conn, get(host));
    [...it.ingress.open][0]!.close();
    await until(() => it.forwarder.traffic(`ep_${A}`).open === 0);
    assert.equal(await ask(conn, request), request);
    // So does the one in use, while another one is kept.
    [...it.ingress.open].at(-1)!.close();
    await until(() => it.forwarder.traffic(`ep_${A}`).open === 0);
    assert.equal(await ask(conn, request), request);
    assert.deepEqual(hosts(it.ingress.asked), ["a", "b", "a", "a"]);
  }
});

Deno.test("a connection ends with the last of its upstreams, in any order (R84)", async () => {
  for (const order of [[0, 1], [1, 0]]) {
    await using it = share();
    using conn = await it.dial();
    for (const host of [A, B]) await ask(conn, get(host));
    const [first, last] = order.map((index) => ({ conn: [...it.ingress.open][index]!, host: [A, B][index] }));
    first!.conn.close();
    await until(() => it.forwarder.traffic(`ep_${first!.host}`).open === 0);
    last!.conn.close();
    assert.equal(text(await readAll(conn)), "");
  }
});

Deno.test("a connection whose client wants its end is not kept for others (R84)", async () => {
  await using it = share();
  using conn = await it.dial();
  await ask(conn, get(A));
  await ask(conn, get(B).replace("\r\n\r\n", "\r\nConnection: x, Close\r\n\r\n"));
  [...it.ingress.open].at(-1)!.close();
  assert.equal(text(await readAll(conn)), "");
});

/** Answers one request; closes without an answer at the second one. */
async function onlyOnce(conn: Conn): Promise<void> {
  await send(conn, WELCOME);
  await readUntil(conn, "\r\n\r\n");
  await send(conn, NO_CONTENT);
  await readUntil(conn, "\r\n\r\n");
}

Deno.test("a safe request is sent again if its kept upstream ends at that moment (R84)", async () => {
  for (const method of ["GET", "HEAD", "OPTIONS"]) {
    await using it = share({ behave: byHost({ [A]: onlyOnce }) });
    using conn = await it.dial();
    await send(conn, get(A));
    await readUntil(conn, "\r\n\r\n");
    await ask(conn, get(B));
    await send(conn, get(A).replace("GET", method));
    assert.equal(await readUntil(conn, "\r\n\r\n"), NO_CONTENT);
    assert.deepEqual(hosts(it.ingress.asked), ["a", "b", "a"]);
  }
});

Deno.test("an unsafe request is never sent twice, and avoids an upstream kept for over 1 s (R84)", async () => {
  for (const [pauseMs, expected] of [[0, ""], [1100, NO_CONTENT]] as const) {
    using clock = fakeClock();
    await using it = share({ behave: byHost({ [A]: onlyOnce }) });
    using conn = await it.dial();
    await send(conn, get(A));
    await readUntil(conn, "\r\n\r\n");
    await ask(conn, get(B));
    clock.spend(pauseMs);
    await send(conn, UNSAFE);
    assert.equal(await readUntil(conn, "\r\n\r\n"), expected);
    assert.equal(it.ingress.asked.length, pauseMs === 0 ? 2 : 3);
  }
});

Deno.test("a request that cannot be sent again gets 502, and so does one that is refused (R84)", async () => {
  let count = 0;
  const behave: Behaviour = async (conn, asked) => {
    if (asked.host === A && ++count === 1) return await onlyOnce(conn);
    if (asked.host === A) return await send(conn, answerFrame({ 3: "ERR_NGROK_3209", 4: "gone" }));
    await httpMirror(conn);
  };
  await using it = share({ behave });
  using conn = await it.dial();
  await send(conn, get(A));
  await readUntil(conn, "\r\n\r\n");
  await ask(conn, get(B));
  await send(conn, get(A));
  assert.match(text(await readAll(conn)), /^HTTP\/1\.1 502 [^]*ERR_NGROK_3209/);
  assert.match(await it.ask(get(B) + get(A)), /^HTTP\/1\.1 200 [^]*HTTP\/1\.1 502 [^]*ERR_NGROK_3209/);
  assert.equal(it.forwarder.traffic(`ep_${A}`).errors, 2);
});

/** Connects to the ingress; reads fail after "a part", as after a FIN without close_notify. */
async function connectUntilCut(port: number): Promise<ByteStream> {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  let isCut = false;
  return {
    async read(buffer) {
      if (isCut) throw new Deno.errors.UnexpectedEof("cut");
      const count = await conn.read(buffer);
      isCut = text(buffer.subarray(0, count ?? 0)).includes("a part");
      return count;
    },
    write: (data) => conn.write(data),
    closeWrite: () => conn.closeWrite(),
    close: () => conn.close(),
  };
}

Deno.test("an upstream that is cut in an answer resets the client, also after others (R62, R83)", async () => {
  const cut = always("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\na part");
  const connect = (): Promise<ByteStream> => connectUntilCut(it.ingress.port);
  await using it = share({ behave: byHost({ [B]: cut }), connect });
  using conn = await it.dial();
  await ask(conn, get(A));
  await send(conn, get(B));
  await assert.rejects(readAll(conn), Deno.errors.ConnectionReset);
});

/**
 * Answers after which no other server's answer may follow, because a client could take it for a
 * part of them.
 */
const UNCLEAR_ENDS = {
  "two lengths": "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 60\r\n\r\n",
  "a length and chunks":
    "HTTP/1.1 200 OK\r\nContent-Length: 60\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  "bare line feeds": "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
  "a length for 204": "HTTP/1.1 204 No Content\r\nContent-Length: 60\r\n\r\n",
  "a body for 205": "HTTP/1.1 205 Reset Content\r\nContent-Length: 60\r\n\r\n",
  "chunks for 304": "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n",
  "101 without a question": "HTTP/1.1 101 Switching Protocols\r\n\r\n",
  "an interim response": "HTTP/1.1 103 Early Hints\r\n\r\n",
  "no length": "HTTP/1.1 200 OK\r\n\r\n",
  "the server's wish to close": "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
};

Deno.test("no answer follows one whose end is unclear, not even a refusal (R35, R83)", async () => {
  for (const [what, answer] of Object.entries(UNCLEAR_ENDS)) {
    await using it = share({ behave: byHost({ [A]: always(answer) }) });
    for (const next of [get(B), get(C), "GARBAGE\r\n\r\n"]) {
      using conn = await it.dial();
      await send(conn, get(A));
      assert.equal(text(await readExactly(conn, answer.length)), answer, what);
      await send(conn, next);
      assert.equal(text(await readAll(conn)), "", what);
    }
    assert.deepEqual(hosts(it.ingress.asked), ["a", "a", "a"], what);
  }
});

const FORGED = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged";
const HEAD = get(A).replace("GET", "HEAD");

/** Requests and answers that a client could take for whole, while ngrokd waited for more. */
const MISREAD: readonly (readonly [request: string, answer: string, next: string])[] = [
  [
    HEAD.replace("\r\n\r\n", `\r\n${UPGRADE}\r\n`),
    `HTTP/1.1 200 OK\r\nContent-Length: ${FORGED.length}\r\n\r\n`,
    "HTTP/1.1 200",
  ],
  [HEAD.replace("HEAD", "head"), "HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n", ""],
  [get(A), "HTTP/1.1 103 Early Hints\r\n\r\n", ""],
  [get(A), UNCLEAR_ENDS["two lengths"], ""],
  [`GET / HTTP/1.0\r\nHost: ${A}\r\nConnection: keep-alive\r\n\r\n`, "HTTP/1.1 100 Continue\r\n\r\n", ""],
];

// A hostile endpoint could otherwise answer a request to another one.
Deno.test("no endpoint answers a request to another one, however clients read its answers (R35)", async () => {
  for (const [request, answer, next] of MISREAD) {
    const isNextHere = Promise.withResolvers<void>();
    const hostile: Behaviour = async (conn) => {
      await send(conn, WELCOME);
      await readUntil(conn, "\r\n\r\n");
      await send(conn, answer);
      await Promise.race([isNextHere.promise, readAll(conn)]);
      await send(conn, FORGED);
    };
    await using it = share({ behave: byHost({ [A]: hostile }) });
    using conn = await it.dial();
    await send(conn, request);
    assert.equal(text(await readExactly(conn, answer.length)), answer);
    await send(conn, get(B));
    const first = text(await readExactly(conn, next === "" ? 1 : next.length));
    isNextHere.resolve();
    assert.equal(first, next, JSON.stringify([request, answer]));
    if (next !== "") await readUntil(conn, "\r\n\r\n");
    assert.equal(text(await readExactly(conn, get(B).length)), next === "" ? "" : get(B));
  }
});

Deno.test("a request to the same host passes after an interim response (R83)", async () => {
  const hinting = always(`HTTP/1.1 103 Early Hints\r\n\r\n${NO_CONTENT}`);
  await using it = share({ behave: byHost({ [A]: hinting }) });
  assert.equal((await it.ask(get(A) + get(A))).split(NO_CONTENT).length - 1, 2);
  assert.equal(it.ingress.asked.length, 1);
});

Deno.test("bytes of an endpoint that answer no request reach no client (R35, R83)", async () => {
  const isKept = Promise.withResolvers<void>();
  const late: Behaviour = async (conn) => {
    await send(conn, WELCOME);
    await readUntil(conn, "\r\n\r\n");
    await send(conn, NO_CONTENT);
    await isKept.promise;
    await send(conn, FORGED);
    await readAll(conn);
  };
  const other: Behaviour = async (conn) => {
    isKept.resolve();
    await httpMirror(conn);
  };
  for (const behave of [always(NO_CONTENT + FORGED), late]) {
    await using it = share({ behave: byHost({ [A]: behave, [B]: other }) });
    const answers = await it.ask(get(A) + get(B, "/1") + get(A) + get(B, "/2"));
    assert.deepEqual(
      answers.match(/HTTP.1.1 [0-9]+|forged/g),
      [204, 200, 204, 200].map((code) => `HTTP/1.1 ${code}`),
    );
    await until(() => it.forwarder.openConnections === 0);
    // An upstream that was ended twice once counted twice.
    assert.deepEqual([A, B].map((name) => it.forwarder.traffic(`ep_${name}`).open), [0, 0]);
  }
});

Deno.test("a refusal comes when the earlier answers have, whatever the server does then (R35)", async () => {
  await using it = share();
  const refused = { [get(C)]: 421, "GARBAGE\r\n\r\n": 400 };
  for (const [request, status] of Object.entries(refused)) {
    using conn = await it.dial();
    await send(conn, get(A) + get(B) + request + get(A));
    const answers = text(await readAll(conn));
    assert.deepEqual(answers.match(/HTTP\/1\.1 [0-9]+/g), [
      "HTTP/1.1 200",
      "HTTP/1.1 200",
      `HTTP/1.1 ${status}`,
    ]);
  }
});

/** Answers plain requests with their own bytes, a WebSocket with 101 and an echo of the rest. */
function webSockets(answer = SWITCHED): Behaviour {
  return async (conn) => {
    await send(conn, WELCOME);
    for (;;) {
      const request = await readUntil(conn, "\r\n\r\n");
      if (request === "") return;
      if (!request.includes("Upgrade: websocket")) {
        await send(conn, `HTTP/1.1 200 OK\r\nContent-Length: ${request.length}\r\n\r\n${request}`);
        continue;
      }
      await send(conn, answer);
      if (!answer.startsWith("HTTP/1.1 101")) continue;
      return await copyStream(conn, conn);
    }
  };
}

const WEB_SOCKET_LISTENERS = {
  "a shared listener": { hosts: [A, B], virtual: false },
  "a listener of one endpoint": { hosts: ["localhost", "127.0.0.1"], virtual: true },
};

for (const [what, { hosts: [first, second], virtual }] of Object.entries(WEB_SOCKET_LISTENERS)) {
  Deno.test(`${what} passes an upgrade on any request, after the earlier answers (R85)`, async () => {
    const start = (answer?: string) =>
      virtual
        ? startForwarder([route(`http://${A}:80`)], { behave: webSockets(answer) })
        : share({ behave: webSockets(answer) });
    await using it = start();
    const upgrade = (host: string): string => get(host).replace("\r\n\r\n", `\r\n${UPGRADE}\r\n`);
    for (const host of [first!, second!]) {
      using conn = await it.dial();
      await send(conn, get(first!, "/1") + get(second!, "/2") + upgrade(host) + get(first!, "/raw"));
      for (const path of ["/1", "/2"]) {
        await readUntil(conn, "\r\n\r\n");
        assert.ok((await readUntil(conn, "\r\n\r\n")).startsWith(`GET ${path} `));
      }
      assert.equal(await readUntil(conn, "\r\n\r\n"), SWITCHED);
      await send(conn, "\x01\x00");
      await conn.closeWrite();
      assert.equal(text(await readAll(conn)), `${get(first!, "/raw")}\x01\0`);
    }
    const refusing = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
    await using other = start(refusing);
    using conn = await other.dial();
    await send(conn, get(first!));
    await readUntil(conn, "\r\n\r\n");
    await readUntil(conn, "\r\n\r\n");
    await send(conn, upgrade(second!));
    assert.equal(await readUntil(conn, "\r\n\r\n"), refusing);
    await send(conn, get(first!));
    assert.match(await readUntil(conn, "\r\n\r\n"), /^HTTP\/1\.1 200 /, "goes on as HTTP");
  });
}

Deno.test("a connection uses the routes of the moment for each new host (R83)", async () => {
  const seen = new Map<string, string>();
  await using it = share({ behave: mirrorInto(seen) });
  using conn = await it.dial();
  await ask(conn, get(A));
  it.setRoutes(
    ...[A, C].map((name) => route(`http://${name}:80`, { listenInterface: "0.0.0.0" })),
  );
  await ask(conn, get(C));
  await send(conn, get(B));
  assert.match(text(await readAll(conn)), /^HTTP\/1\.1 421 /);
  assert.deepEqual([...seen.keys()], [A, C]);
});

Deno.test("no upstream is opened for an endpoint that has gone (R83)", async () => {
  await using it = share();
  using conn = await it.dial();
  for (const host of [B, A]) await ask(conn, get(host));
  it.setRoutes(
    ...[B, C].map((name) => route(`http://${name}:80`, { listenInterface: "0.0.0.0" })),
  );
  assert.equal(await ask(conn, get(A)), get(A), "the open one goes on");
  [...it.ingress.open].at(-1)!.close();
  await until(() => it.forwarder.traffic(`ep_${A}`).open === 0);
  await send(conn, get(A));
  assert.match(text(await readAll(conn)), /^HTTP\/1\.1 421 /);
  assert.equal(it.ingress.asked.length, 2);
});

const LAST: Readonly<Record<string, string>> = {
  "an upload that was answered early": `POST / HTTP/1.1\r\nHost: ${A}\r\nContent-Length: 100000\r\n\r\n`,
  "a request by HTTP/1.0": `GET / HTTP/1.0\r\nHost: ${A}\r\n\r\n`,
};

for (const [what, request] of Object.entries(LAST)) {
  Deno.test(`a connection with a kept upstream ends after ${what} (R84)`, async () => {
    const answer = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n";
    const early: Behaviour = async (conn) => {
      await send(conn, WELCOME);
      await readUntil(conn, "\r\n\r\n");
      await send(conn, answer);
    };
    await using it = share({ behave: byHost({ [A]: early }) });
    using conn = await it.dial();
    await ask(conn, get(B));
    await send(conn, request);
    assert.equal(await readUntil(conn, "\r\n\r\n"), answer);
    if (request.startsWith("POST")) {
      await until(() => it.forwarder.traffic(`ep_${A}`).open === 0);
      await send(conn, "x");
    }
    assert.equal(text(await readAll(conn)), "");
  });
}

// Its upstreams and slots were held as long as the server was silent.
Deno.test("a client that resets while a request waits frees its upstreams (R29, R83)", async () => {
  const part = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345";
  const silent: Behaviour = async (conn) => {
    await send(conn, WELCOME);
    await readUntil(conn, "\r\n\r\n");
    await send(conn, part);
    await readAll(conn);
  };
  for (const next of [get(B), get(A).replace("\r\n\r\n", `\r\n${UPGRADE}\r\n`)]) {
    await using it = share({ behave: byHost({ [A]: silent }) });
    const conn = await it.dial();
    await send(conn, get(A) + next);
    await readExactly(conn, part.length);
    await new AcceptedTcp(conn).abort();
    await until(() => it.forwarder.openConnections === 0 && it.ingress.open.size === 0);
  }
});

// The third upstream is that of C, or that of a request to A that is sent again.
for (const [what, host] of [["another host", C], ["a request sent again", A]] as const) {
  Deno.test(`an upstream for ${what} that opens after its client has gone is ended (R29, R83)`, async () => {
    const isGone = Promise.withResolvers<void>();
    let asked = 0;
    const behave: Behaviour = async (conn, { host }) => {
      if (++asked === 3) await isGone.promise;
      await (host === A && asked === 1 ? onlyOnce : httpMirror)(conn);
    };
    await using it = share({ behave }, [A, B, C]);
    const conn = await it.dial();
    await send(conn, get(A));
    await readUntil(conn, "\r\n\r\n");
    await ask(conn, get(B));
    await send(conn, get(host));
    await until(() => asked === 3);
    await new AcceptedTcp(conn).abort();
    await until(() => it.forwarder.openConnections === 0);
    isGone.resolve();
    await until(() => it.forwarder.traffic(`ep_${host}`).open === 0 && it.ingress.open.size === 0);
    assert.equal(it.forwarder.traffic(`ep_${host}`).total, host === A ? 2 : 1);
  });
}

Deno.test("a response under way is not half-closed for a later request that is dropped (R83)", async () => {
  const head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 10\r\n\r\n";
  for (const dropped of [get(B), "GARBAGE\r\n\r\n"]) {
    const isDropped = Promise.withResolvers<void>();
    let ended = false;
    const slow: Behaviour = async (conn) => {
      await send(conn, WELCOME);
      await readUntil(conn, "\r\n\r\n");
      await send(conn, `${head}12345`);
      await isDropped.promise;
      void readAll(conn).then(() => ended = true, () => {});
      // A FIN that was sent before comes within this exchange.
      await it.ask(get(B));
      assert.equal(ended, false);
      await send(conn, "67890");
    };
    await using it = share({ behave: byHost({ [A]: slow }) });
    using conn = await it.dial();
    await send(conn, get(A));
    await readExactly(conn, head.length + 5);
    await send(conn, dropped);
    isDropped.resolve();
    assert.equal(text(await readAll(conn)), "67890");
  }
});

Deno.test("a later WebSocket of a foreign page is refused where the Host is replaced (R60, R85)", async () => {
  await using it = startForwarder([route(`http://${A}:80`)], { behave: webSockets() });
  const from = (origin: string): string =>
    get("localhost").replace("\r\n\r\n", `\r\n${UPGRADE}Origin: ${origin}\r\n\r\n`);
  const own = await it.ask(get("localhost") + from("http://localhost"));
  assert.match(own, /^HTTP\/1\.1 200 [^]*HTTP\/1\.1 101 /);
  const foreign = await it.ask(get("localhost") + from("http://evil.example"));
  assert.match(foreign, /^HTTP\/1\.1 200 [^]*HTTP\/1\.1 403 /);
});
