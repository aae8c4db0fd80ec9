import assert from "node:assert/strict";
import { Forwarder, type ForwarderOptions } from "../../src/forward/forwarder.ts";
import { DialError, type DialFailure } from "../../src/model/errors.ts";
import { listenerKey, type Route, RouteTable } from "../../src/model/route_table.ts";
import { listenTcp } from "../../src/system/net.ts";
import { captureLog } from "../fakes/captured_log.ts";
import { clientHello, records } from "../fakes/client_hello.ts";
import {
  answerFrame,
  type Behaviour,
  echo,
  fakeIngress,
  httpMirror,
  WELCOME,
} from "../fakes/fake_ingress.ts";
import {
  concat,
  fromHex,
  latin1,
  pattern,
  readAll,
  readExactly,
  readUntil,
  send,
  text,
} from "../fakes/memory_stream.ts";
import { route } from "../fakes/routes.ts";
import { until, untilRefused } from "../fakes/sockets.ts";

/** A forwarder with one listener that has these routes, before a fake ingress. */
function start(routes: readonly Route[], options: Partial<ForwarderOptions> & { behave?: Behaviour } = {}) {
  const { behave = echo, ...rest } = options;
  const ingress = fakeIngress(behave);
  const forwarder = new Forwarder({
    listen: listenTcp,
    connect: () => Deno.connect({ hostname: "127.0.0.1", port: ingress.port }),
    ingress: () => ({ hostname: "ingress.test", port: 443 }),
    identity: () => ({ cert: "c", key: "k" }),
    trust: () => [],
    ...rest,
  });
  const port = forwarder.open({ address: "127.0.0.1", port: 0 });
  const local = routes.map((route) => ({ ...route, localPort: port }));
  forwarder.setRoutes(new RouteTable(local));
  return {
    ingress,
    forwarder,
    port,
    key: listenerKey("127.0.0.1", port),
    dial: () => Deno.connect({ hostname: "127.0.0.1", port }),
    async [Symbol.asyncDispose]() {
      await forwarder[Symbol.asyncDispose]();
      await ingress[Symbol.asyncDispose]();
      assert.equal(forwarder.openConnections, 0);
    },
  };
}

/** Sends the bytes, ends, and gives all that comes back. */
async function exchange(dial: () => Promise<Deno.TcpConn>, bytes: Uint8Array | string): Promise<string> {
  using conn = await dial();
  await send(conn, bytes);
  await conn.closeWrite();
  return text(await readAll(conn));
}

const TCP = route("tcp://db.internal:5432");
const HTTP = route("http://api.myapp:80");
const LAN = { ...HTTP, mode: "0.0.0.0" };
const WILD = route("http://*.example.com:80");

function get(host: string, path = "/"): string {
  return `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
}

Deno.test("Forwarder carries a connection to the endpoint that the cloud is asked for, and counts it", async () => {
  await using it = start([TCP], { behave: (conn) => echo(conn) });
  assert.equal(await exchange(it.dial, "hello"), "hello");
  await until(() => it.forwarder.openConnections === 0);
  assert.deepEqual(it.ingress.asked, [{ host: "db.internal", port: 5432 }]);
  const { lastActivity, ...traffic } = it.forwarder.traffic("ep_db.internal");
  assert.deepEqual(traffic, { open: 0, total: 1, bytesIn: 5, bytesOut: 5, errors: 0 });
  assert.ok(lastActivity !== undefined && Date.now() - lastActivity < 60_000);
  assert.deepEqual(it.forwarder.ingressHealth(), { state: "ok", error: null, hint: null });
  it.forwarder.forget(["ep_db.internal"]);
  assert.equal(it.forwarder.traffic("ep_db.internal").total, 0);
});

Deno.test("Forwarder counts a pooled connection for the member that the cloud named, else for the first", async () => {
  const pool = { ...TCP, endpointIds: ["ep_0", "ep_1"] };
  await using it = start([pool]);
  await exchange(it.dial, "x");
  it.ingress.behave = async (conn) => await send(conn, answerFrame({ 1: "ep_unknown" }));
  await exchange(it.dial, "x");
  await until(() => it.forwarder.openConnections === 0);
  assert.equal(it.forwarder.traffic("ep_1").total, 1);
  assert.equal(it.forwarder.traffic("ep_0").total, 1);
});

Deno.test("Forwarder lets a server speak first on a tcp endpoint", async () => {
  await using it = start([TCP], {
    behave: async (conn) => await send(conn, concat([WELCOME, latin1("220 ready\r\n")])),
  });
  using conn = await it.dial();
  assert.equal(await readUntil(conn, "\n"), "220 ready\r\n");
});

Deno.test("Forwarder delivers the whole reply after the client half-closes, and the whole upload after the server does (F57)", async () => {
  const reply = pattern(2_000_064);
  await using it = start([TCP], {
    async behave(conn) {
      await send(conn, WELCOME);
      const request = await readAll(conn);
      await send(conn, concat([request, reply]));
    },
  });
  using conn = await it.dial();
  await send(conn, "now");
  await conn.closeWrite();
  assert.deepEqual(await readAll(conn), concat([latin1("now"), reply]));

  const uploaded = Promise.withResolvers<Uint8Array>();
  it.ingress.behave = async (conn) => {
    await send(conn, concat([WELCOME, latin1("bye")]));
    await conn.closeWrite();
    uploaded.resolve(await readAll(conn));
  };
  using second = await it.dial();
  assert.equal(text(await readAll(second)), "bye");
  await send(second, reply);
  await second.closeWrite();
  assert.deepEqual(await uploaded.promise, reply);
});

Deno.test("Forwarder sends a literal wildcard name for a tcp wildcard", async () => {
  await using it = start([route("tcp://*.example.com:5432")]);
  await exchange(it.dial, "x");
  assert.deepEqual(it.ingress.asked, [{ host: "*.example.com", port: 5432 }]);
});

Deno.test("Forwarder copies a sole http connection raw after its first head", async () => {
  await using it = start([HTTP]);
  const upgrade =
    "GET /ws HTTP/1.1\r\nHost: api.myapp\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x01\x7f\0binary";
  assert.equal(await exchange(it.dial, upgrade), upgrade);
  const connect = "CONNECT far:443 HTTP/1.1\r\nHost: api.myapp\r\n\r\n\x16\x03\x01";
  assert.equal(await exchange(it.dial, connect), connect);
  const h2c = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0";
  assert.equal(await exchange(it.dial, h2c), h2c);
  assert.deepEqual(it.ingress.asked, Array(3).fill({ host: "api.myapp", port: 80 }));
});

Deno.test("Forwarder answers 421, 400 and 431 itself, without a call to the cloud", async () => {
  await using it = start([LAN]);
  assert.match(
    await exchange(it.dial, get("localhost")),
    new RegExp(`^HTTP/1\\.1 421 [^]*curl -H "Host: api\\.myapp" http://127\\.0\\.0\\.1:${it.port}/`),
  );
  assert.match(
    await exchange(it.dial, "GET / HTTP/1.1\r\nHost: api.myapp\r\nHost: x\r\n\r\n"),
    /^HTTP\/1\.1 400 [^]*more than one Host/,
  );
  assert.match(await exchange(it.dial, `GET /${"x".repeat(20_000)}`), /^HTTP\/1\.1 431 /);
  assert.deepEqual(it.ingress.asked, []);
});

Deno.test("Forwarder gets its refusal through to a client in the middle of an upload", async () => {
  await using it = start([LAN]);
  using conn = await it.dial();
  await send(
    conn,
    concat([latin1("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n"), pattern(3_000_000)]),
  );
  assert.match(await readUntil(conn, "/\n"), /^HTTP\/1\.1 421 /);
});

Deno.test("Forwarder asks for the concrete name on a wildcard, and serves keep-alive requests for it", async () => {
  await using it = start([WILD], { behave: httpMirror });
  const answers = await exchange(it.dial, get("A.Example.com", "/1") + get("a.example.com:80", "/2"));
  assert.match(
    answers,
    /^HTTP\/1\.1 200 OK[^]*GET \/1 HTTP\/1\.1\r\nHost: A\.Example\.com\r\n\r\nHTTP\/1\.1 200 OK[^]*GET \/2 /,
  );
  assert.deepEqual(it.ingress.asked, [{ host: "a.example.com", port: 80 }]);
});

Deno.test("Forwarder never sends a later request for another Host to the first endpoint (F68)", async () => {
  const seen: string[] = [];
  await using it = start([WILD], {
    async behave(conn) {
      await send(conn, WELCOME);
      seen.push(text(await readAll(conn)));
      await send(conn, "HTTP/1.1 204 No Content\r\n\r\n");
    },
  });
  const answers = await exchange(it.dial, get("a.example.com") + get("b.example.com"));
  assert.match(answers, /^HTTP\/1\.1 204 No Content\r\n\r\nHTTP\/1\.1 421 Misdirected Request\r\n/);
  assert.deepEqual(seen, [get("a.example.com")]);
});

Deno.test("Forwarder lets a WebSocket through on a wildcard once the server has switched, and not before (F68)", async () => {
  const upgrade =
    "GET /ws HTTP/1.1\r\nHost: a.example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
  const seen: string[] = [];
  await using it = start([WILD], {
    async behave(conn) {
      await send(conn, WELCOME);
      await readExactly(conn, upgrade.length);
      await send(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n");
      seen.push(text(await readAll(conn)));
    },
  });
  await exchange(it.dial, `${upgrade}frames, not requests`);
  assert.deepEqual(seen, ["frames, not requests"]);
  it.ingress.behave = async (conn) => {
    await send(conn, WELCOME);
    await readExactly(conn, upgrade.length);
    await send(conn, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    seen.push(text(await readAll(conn)));
  };
  assert.match(
    await exchange(it.dial, upgrade + get("b.example.com")),
    /^HTTP\/1\.1 403 [^]*HTTP\/1\.1 421 /,
  );
  assert.equal(seen[1], "");
});

Deno.test("Forwarder routes TLS by its server name and answers an unknown one with an alert", async () => {
  const tls = [route("tls://a.example.com:443"), route("tls://*.example.com:443")];
  await using it = start(tls);
  const hello = records(clientHello({ name: "b.example.com" }), 20);
  using conn = await it.dial();
  await send(conn, hello);
  assert.deepEqual(await readExactly(conn, hello.length), hello);
  assert.deepEqual(it.ingress.asked, [{ host: "b.example.com", port: 443 }]);
  using other = await it.dial();
  await send(other, records(clientHello({ name: "other.org" })));
  await other.closeWrite();
  assert.deepEqual(await readAll(other), fromHex("15030300020270"));
});

Deno.test("Forwarder answers 502 with endpoint, code and next step to HTTP, and closes everything else, when the cloud refuses", async () => {
  await using it = start([HTTP], {
    behave: async (conn) => await send(conn, answerFrame({ 3: "ERR_NGROK_3200", 4: "endpoint offline" })),
  });
  const answer = await exchange(it.dial, get("api.myapp"));
  assert.match(answer, /^HTTP\/1\.1 502 Bad Gateway\r\n/);
  assert.match(answer, /Connection: close\r\n/);
  assert.match(
    answer,
    /http:\/\/api\.myapp \(ep_api\.myapp\): .*ERR_NGROK_3200: endpoint offline\n\n.*errors\/err_ngrok_3200/,
  );
  assert.ok((await exchange(it.dial, get("api.myapp").replace("GET", "HEAD"))).endsWith("\r\n\r\n"));
  const { errors, lastError, total } = it.forwarder.traffic("ep_api.myapp");
  assert.equal(errors, 2);
  assert.equal(total, 2);
  assert.match(lastError!, /endpoint offline/);
  assert.equal(it.forwarder.ingressHealth().state, "ok", "the ingress itself answered");
  it.forwarder.setRoutes(new RouteTable([{ ...TCP, localPort: it.port }]));
  assert.equal(await exchange(it.dial, "x"), "");
});

Deno.test("Forwarder answers 502 when the ingress cannot be reached, and says so in its health until it can", async () => {
  let failure: DialFailure | undefined = "untrusted";
  const port = { ingress: 0 };
  await using it = start([HTTP], {
    connect() {
      if (failure === undefined) return Deno.connect({ hostname: "127.0.0.1", port: port.ingress });
      return Promise.reject(
        new DialError("Cannot connect to ingress.test:443: bad certificate", {
          code: failure,
          hint: "Give the CA",
        }),
      );
    },
  });
  port.ingress = it.ingress.port;
  assert.match(
    await exchange(it.dial, get("api.myapp")),
    /^HTTP\/1\.1 502 [^]*bad certificate\n\nGive the CA/,
  );
  assert.deepEqual(it.forwarder.ingressHealth(), {
    state: "failing",
    error: "Cannot connect to ingress.test:443: bad certificate",
    hint: "Give the CA",
  });
  failure = undefined;
  assert.equal(await exchange(it.dial, get("api.myapp")), get("api.myapp"));
  assert.equal(it.forwarder.ingressHealth().state, "ok");
});

Deno.test("Forwarder says that there is no certificate yet", async () => {
  await using it = start([HTTP], { identity: () => undefined });
  assert.match(
    await exchange(it.dial, get("api.myapp")),
    /^HTTP\/1\.1 502 [^]*there is no certificate yet[^]*ngrokctl status/,
  );
  assert.equal(it.forwarder.ingressHealth().state, "failing");
});

Deno.test("Forwarder hands identity, trust and the ingress of the moment to every dial (F62)", async () => {
  const seen: unknown[] = [];
  let generation = 1;
  await using it = start([TCP], {
    connect(options) {
      const { hostname, port, cert, key, caCerts, timeoutMs } = options;
      seen.push({ hostname, port, cert, key, caCerts, inTime: timeoutMs > 0 && timeoutMs <= 10_000 });
      return Promise.reject(new DialError("Cannot connect: x", { code: "refused" }));
    },
    ingress: () => ({ hostname: "ingress.test", port: generation }),
    identity: () => ({ cert: `c${generation}`, key: `k${generation}` }),
    trust: () => [`ca${generation}`],
  });
  await exchange(it.dial, "x");
  generation = 2;
  await exchange(it.dial, "x");
  assert.deepEqual(
    seen,
    [1, 2].map((n) => ({
      hostname: "ingress.test",
      port: n,
      cert: `c${n}`,
      key: `k${n}`,
      caCerts: [`ca${n}`],
      inTime: true,
    })),
  );
});

Deno.test("Forwarder closes a connection whose ingress closes or talks nonsense (F60, F61)", async () => {
  const behaviours: Record<string, [Behaviour, RegExp]> = {
    closes: [() => {}, /closed the connection before it answered/],
    nonsense: [
      async (conn) => (await send(conn, "HTTP/1.1 400 Bad Request\r\n\r\n"), await conn.closeWrite()),
      /before it answered|malformed/,
    ],
    malformed: [async (conn) => await send(conn, fromHex("04000a02fffe")), /malformed/],
  };
  for (const [what, [behave, reason]] of Object.entries(behaviours)) {
    await using it = start([HTTP], { behave });
    const answer = await exchange(it.dial, get("api.myapp"));
    assert.match(answer, /^HTTP\/1\.1 502 /, what);
    assert.match(answer, reason, what);
    assert.equal(it.forwarder.ingressHealth().state, "failing", what);
    assert.equal(it.forwarder.traffic("ep_api.myapp").errors, 1, what);
    await until(() => it.ingress.open.size === 0);
  }
});

Deno.test("Forwarder closes connections of a listener without routes, and reads the routes anew for each", async () => {
  await using it = start([TCP]);
  const table = new RouteTable([{ ...TCP, localPort: it.port }]);
  it.forwarder.setRoutes(RouteTable.EMPTY);
  using none = await it.dial();
  assert.equal((await readAll(none)).length, 0);
  it.forwarder.setRoutes(table);
  assert.equal(await exchange(it.dial, "x"), "x");
});

Deno.test("Forwarder keeps running connections when a listener closes, and refuses new ones", async () => {
  await using it = start([TCP]);
  using conn = await it.dial();
  await send(conn, "a");
  await readExactly(conn, 1);
  assert.deepEqual(it.forwarder.observe(), [it.key]);
  it.forwarder.close(it.key);
  assert.deepEqual(it.forwarder.observe(), []);
  await untilRefused(it.port);
  await send(conn, "b");
  assert.equal(text(await readExactly(conn, 1)), "b");
});

Deno.test("Forwarder.drain() lets connections end, and aborts those that do not in time", async () => {
  await using it = start([TCP]);
  using quick = await it.dial();
  await send(quick, "a");
  await readExactly(quick, 1);
  const draining = it.forwarder.drain(5000);
  await untilRefused(it.port);
  await quick.closeWrite();
  assert.equal(await draining, true);

  const port = it.forwarder.open({ address: "127.0.0.1", port: 0 });
  it.forwarder.setRoutes(new RouteTable([{ ...TCP, localPort: port }]));
  using stuck = await Deno.connect({ hostname: "127.0.0.1", port });
  await send(stuck, "a");
  await readExactly(stuck, 1);
  assert.equal(await it.forwarder.drain(10), false);
  assert.equal(it.forwarder.openConnections, 0);
  await readAll(stuck).catch(() => {});
});

Deno.test("Forwarder is disposed at once, at whatever step its connections are", async () => {
  await using logged = await captureLog();
  await using it = start([HTTP], {
    behave: async (conn) => void await readAll(conn),
  });
  using idle = await it.dial();
  using inHead = await it.dial();
  await send(inHead, "GET /");
  using upgrading = await it.dial();
  await send(upgrading, get("api.myapp"));
  await until(() => it.ingress.asked.length === 1 && it.forwarder.openConnections === 3);
  await it.forwarder[Symbol.asyncDispose]();
  assert.equal(it.forwarder.openConnections, 0);
  assert.deepEqual(logged.lines("error"), []);
  const outcomes = logged.records.map((record) => record.properties["outcome"]).filter((outcome) =>
    outcome !== undefined
  );
  assert.deepEqual(outcomes, ["aborted", "aborted", "aborted"]);
  for (const conn of [idle, inHead, upgrading]) await readAll(conn).catch(() => {});
});

Deno.test("Forwarder survives what it did not expect: only that connection ends, and the log says why (F23)", async () => {
  await using logged = await captureLog();
  let broken = true;
  await using it = start([TCP], {
    trust() {
      if (broken) throw new TypeError("Cannot read a property: it is undefined");
      return [];
    },
  });
  assert.equal(await exchange(it.dial, "x").catch(() => ""), "");
  broken = false;
  assert.equal(await exchange(it.dial, "x"), "x");
  assert.equal(logged.lines("error").length, 1);
  assert.match(logged.lines("error")[0]!, /Cannot read a property/);
});

Deno.test("Forwarder warns once about an endpoint that fails many times", async () => {
  await using logged = await captureLog();
  await using it = start([TCP], {
    behave: async (conn) => await send(conn, answerFrame({ 3: "ERR_NGROK_3200" })),
  });
  await Promise.all(Array.from({ length: 20 }, () => exchange(it.dial, "x").catch(() => "")));
  assert.equal(logged.lines("warning").length, 1);
  assert.match(logged.lines("warning")[0]!, /db\.internal:5432.*ERR_NGROK_3200/);
});

Deno.test("Forwarder never leaks a place under its cap: 360 connections, a third of them abandoned, then exactly 4 at once", async () => {
  await using it = start([TCP], { maxConnections: 4 });
  async function client(number: number): Promise<void> {
    using conn = await it.dial();
    if (number % 3 === 0) return;
    await send(conn, pattern(2000));
    if (number % 3 === 1) return;
    await conn.closeWrite();
    assert.equal((await readAll(conn)).length, 2000);
  }
  for (let round = 0; round < 12; round++) {
    await Promise.all(Array.from({ length: 30 }, (_, number) => client(number)));
  }
  await until(() => it.forwarder.openConnections === 0);
  const conns = await Promise.all(Array.from({ length: 6 }, () => it.dial()));
  await Promise.all(conns.map((conn) => send(conn, "x")));
  await Promise.all(conns.slice(0, 4).map((conn) => readExactly(conn, 1)));
  assert.equal(it.forwarder.openConnections, 4);
  for (const conn of conns) conn.close();
  await until(() => it.forwarder.openConnections === 0);
});

Deno.test("Forwarder outlives resets at every stage (F23, F58)", async () => {
  const stages: Record<string, Behaviour> = {
    "before the request is read": () => {},
    "after the answer": async (conn) => await send(conn, WELCOME),
    "amid the data": async (conn) => {
      await send(conn, concat([WELCOME, pattern(100_000)]));
      await readExactly(conn, 10);
    },
  };
  await using it = start([TCP]);
  for (const [stage, behave] of Object.entries(stages)) {
    it.ingress.behave = behave;
    await Promise.all(Array.from({ length: 10 }, async () => {
      using conn = await it.dial();
      // A socket that is closed with unread bytes sends a reset.
      await send(conn, pattern(50_000)).catch(() => {});
      await conn.read(new Uint8Array(10)).catch(() => {});
    }));
    await until(() => it.forwarder.openConnections === 0);
    it.ingress.behave = echo;
    assert.equal(await exchange(it.dial, "still here"), "still here", stage);
  }
});

Deno.test("Forwarder.retryIngress() frees the places of dials that hang in a dead network, serves those that made them, and leaves running connections alone", async () => {
  let isDead = false;
  let stuck = 0;
  const ingress: { port: number } = { port: 0 };
  await using it = start([TCP], {
    maxIngressConnections: 3,
    connect({ signal }) {
      if (!isDead) return Deno.connect({ hostname: "127.0.0.1", port: ingress.port });
      stuck++;
      return new Promise((_, reject) => signal!.addEventListener("abort", () => reject(signal!.reason)));
    },
  });
  ingress.port = it.ingress.port;
  using running = await it.dial();
  await send(running, "a");
  assert.equal(text(await readExactly(running, 1)), "a");
  isDead = true;
  const replies = [1, 2, 3, 4].map(() => exchange(it.dial, "hello"));
  await until(() => stuck === 2);
  isDead = false;
  it.forwarder.retryIngress();
  assert.deepEqual(await Promise.all(replies), Array(4).fill("hello"));
  await send(running, "b");
  assert.equal(text(await readExactly(running, 1)), "b");
  assert.equal(it.forwarder.traffic("ep_db.internal").errors, 0);
});
