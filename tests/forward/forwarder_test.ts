import assert from "node:assert/strict";
import { DialError, type DialFailure } from "../../src/model/errors.ts";
import { type Route, RouteTable } from "../../src/model/route_table.ts";
import { sleep } from "../../src/system/clock.ts";
import { connectTls } from "../../src/system/connect_tls.ts";
import { captureLog } from "../fakes/captured_log.ts";
import { clientHello, records } from "../fakes/client_hello.ts";
import { answerFrame, type Behaviour, echo, httpMirror, WELCOME } from "../fakes/fake_ingress.ts";
import { get } from "../fakes/http_request.ts";
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
import { startForwarder, type StartOptions } from "../fakes/start_forwarder.ts";
import { TestCa } from "../fakes/test_ca.ts";

const ca = await TestCa.create();
const client = await ca.pair();
const TCP = route("tcp://db.internal:5432");
const HTTP = route("http://api.myapp:80");
const LAN = { listenInterface: "0.0.0.0" };
const WILD = route("http://*.example.com:80");
const UPGRADE = "GET /ws HTTP/1.1\r\nHost: api.myapp\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

function start(route: Route, options: StartOptions = {}) {
  return startForwarder([route], options);
}

function answering(frame: Uint8Array): Behaviour {
  return (conn) => send(conn, frame);
}

Deno.test("Forwarder carries a connection to the requested endpoint and counts it", async () => {
  await using it = start(TCP);
  assert.equal(await it.ask("hello"), "hello");
  await until(() => it.forwarder.openConnections === 0);
  assert.deepEqual(it.ingress.asked, [{ host: "db.internal", port: 5432 }]);
  const { lastActivity, ...traffic } = it.forwarder.traffic("ep_db.internal");
  assert.deepEqual(traffic, { open: 0, total: 1, bytesIn: 5, bytesOut: 5, errors: 0 });
  assert.ok(lastActivity !== undefined && Date.now() - lastActivity < 60_000);
  assert.deepEqual(it.forwarder.ingressHealth(), { state: "ok", error: null, hint: null });
  it.forwarder.forget(["ep_db.internal"]);
  assert.equal(it.forwarder.traffic("ep_db.internal").total, 0);
});

Deno.test("Forwarder counts a pooled connection for the member that the ingress named, else the first", async () => {
  await using it = start({ ...TCP, endpointIds: ["ep_0", "ep_1"] });
  await it.ask("x");
  it.ingress.behave = answering(answerFrame({ 1: "ep_unknown" }));
  await it.ask("x");
  await until(() => it.forwarder.openConnections === 0);
  assert.equal(it.forwarder.traffic("ep_1").total, 1);
  assert.equal(it.forwarder.traffic("ep_0").total, 1);
});

Deno.test("Forwarder lets a server speak first on a tcp endpoint", async () => {
  await using it = start(TCP, { behave: answering(concat([WELCOME, latin1("220 ready\r\n")])) });
  using conn = await it.dial();
  assert.equal(await readUntil(conn, "\n"), "220 ready\r\n");
});

for (const how of ["plain", "TLS"]) {
  Deno.test(`Forwarder delivers all bytes after either side half-closes, ${how} (F57)`, async () => {
    const secure: StartOptions = {
      tls: await ca.pair(),
      connect: connectTls,
      clientPair: () => client,
      trust: () => [ca.pem],
    };
    const bulk = pattern(2_000_064);
    const hello = records(clientHello({ name: "a.example.com" }));
    const both = ["tls://a.example.com:443", "http://a.example.com:80"].map((url) => route(url, LAN));
    const cases: [routes: Route[], first: Uint8Array][] = [
      [[TCP], latin1("now")],
      [both, hello],
      [both, latin1(get("a.example.com"))],
    ];
    for (const [routes, first] of cases) {
      await using it = startForwarder(routes, {
        ...(how === "TLS" ? secure : {}),
        async behave(conn) {
          await send(conn, WELCOME);
          const request = await readAll(conn);
          await send(conn, concat([request, bulk]));
        },
      });
      assert.deepEqual(await it.exchange(first), concat([first, bulk]));
    }
    for (const [routes, first] of cases.slice(0, 2)) {
      const uploaded = Promise.withResolvers<Uint8Array>();
      await using it = startForwarder(routes, {
        ...(how === "TLS" ? secure : {}),
        async behave(conn) {
          await send(conn, concat([WELCOME, latin1("bye")]));
          await conn.closeWrite();
          uploaded.resolve(await readAll(conn));
        },
      });
      using conn = await it.dial();
      await send(conn, first);
      assert.equal(text(await readAll(conn)), "bye");
      await send(conn, bulk);
      await conn.closeWrite();
      assert.deepEqual(await uploaded.promise, concat([first, bulk]));
    }
  });
}

Deno.test("Forwarder sends a literal wildcard name for a tcp wildcard", async () => {
  await using it = start(route("tcp://*.example.com:5432"));
  await it.ask("x");
  assert.deepEqual(it.ingress.asked, [{ host: "*.example.com", port: 5432 }]);
});

Deno.test("Forwarder passes the bytes of a virtual http connection through after its first head", async () => {
  await using it = start(HTTP);
  for (
    const bytes of [
      `${UPGRADE}\x01\x7f\0binary`,
      "CONNECT far:443 HTTP/1.1\r\nHost: api.myapp\r\n\r\n\x16\x03\x01",
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0",
    ]
  ) assert.equal(await it.ask(bytes), bytes);
  assert.deepEqual(it.ingress.asked, Array(3).fill({ host: "api.myapp", port: 80 }));
});

Deno.test("Forwarder answers 421, 400 and 431 without asking the ingress", async () => {
  await using it = start({ ...HTTP, ...LAN });
  assert.match(
    await it.ask(get("localhost")),
    new RegExp(`^HTTP/1\\.1 421 [^]*curl -H "Host: api\\.myapp" http://127\\.0\\.0\\.1:${it.port}/`),
  );
  assert.match(
    await it.ask("GET / HTTP/1.1\r\nHost: api.myapp\r\nHost: x\r\n\r\n"),
    /^HTTP\/1\.1 400 [^]*more than one Host/,
  );
  assert.match(await it.ask(`GET /${"x".repeat(132_000)}`), /^HTTP\/1\.1 431 /);
  assert.deepEqual(it.ingress.asked, []);
});

Deno.test("Forwarder delivers its refusal to a client in the middle of an upload", async () => {
  await using it = start({ ...HTTP, ...LAN });
  using conn = await it.dial();
  const head = latin1("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n");
  await send(conn, concat([head, pattern(3_000_000)]));
  assert.match(await readUntil(conn, "/\n"), /^HTTP\/1\.1 421 /);
});

Deno.test("Forwarder asks for the concrete name on a wildcard and keeps the connection alive", async () => {
  await using it = start(WILD, { behave: httpMirror });
  assert.match(
    await it.ask(get("A.Example.com", "/1") + get("a.example.com:80", "/2")),
    /^HTTP\/1\.1 200 OK[^]*GET \/1 HTTP\/1\.1\r\nHost: A\.Example\.com\r\n\r\nHTTP\/1\.1 200 OK[^]*GET \/2 /,
  );
  assert.deepEqual(it.ingress.asked, [{ host: "a.example.com", port: 80 }]);
});

Deno.test("Forwarder answers HTTP with 502, code and next step if the ingress refuses the endpoint", async () => {
  await using it = start(HTTP, {
    behave: answering(answerFrame({ 3: "ERR_NGROK_3200", 4: "endpoint offline" })),
  });
  const answer = await it.ask(get("api.myapp"));
  assert.match(answer, /^HTTP\/1\.1 502 Bad Gateway\r\n/);
  assert.match(answer, /Connection: close\r\n/);
  assert.match(
    answer,
    /http:\/\/api\.myapp \(ep_api\.myapp\): .*ERR_NGROK_3200: endpoint offline\n\n.*errors\/err_ngrok_3200/,
  );
  assert.ok((await it.ask(get("api.myapp").replace("GET", "HEAD"))).endsWith("\r\n\r\n"));
  const { errors, lastError, total } = it.forwarder.traffic("ep_api.myapp");
  assert.deepEqual([errors, total], [2, 2]);
  assert.match(lastError!, /endpoint offline/);
  assert.equal(it.forwarder.ingressHealth().state, "ok", "the ingress itself answered");
  it.setRoutes(TCP);
  assert.equal(await it.ask("x"), "", "other protocols get no answer");
});

Deno.test("Forwarder answers 502 and reports failing health until the ingress is reachable", async () => {
  let failure: DialFailure | undefined = "untrusted";
  const error = "Cannot connect to ingress.test:443: bad certificate";
  await using it = start(HTTP, {
    connect({ port }) {
      if (failure === undefined) return Deno.connect({ hostname: "127.0.0.1", port });
      return Promise.reject(new DialError(error, { code: failure, hint: "Give the CA" }));
    },
  });
  assert.match(await it.ask(get("api.myapp")), /^HTTP\/1\.1 502 [^]*bad certificate\n\nGive the CA/);
  assert.deepEqual(it.forwarder.ingressHealth(), { state: "failing", error, hint: "Give the CA" });
  failure = undefined;
  assert.equal(await it.ask(get("api.myapp")), get("api.myapp"));
  assert.equal(it.forwarder.ingressHealth().state, "ok");
});

Deno.test("Forwarder reports that there is no certificate yet", async () => {
  await using it = start(HTTP, { clientPair: () => undefined });
  assert.match(
    await it.ask(get("api.myapp")),
    /^HTTP\/1\.1 502 [^]*there is no certificate yet[^]*ngrokctl status/,
  );
  assert.equal(it.forwarder.ingressHealth().state, "failing");
});

Deno.test("Forwarder gives the current identity, trust and ingress to every dial (F62)", async () => {
  const seen: unknown[] = [];
  let generation = 1;
  await using it = start(TCP, {
    connect({ hostname, port, cert, key, caCerts, timeoutMs }) {
      seen.push({ hostname, port, cert, key, caCerts, inTime: timeoutMs > 0 && timeoutMs <= 10_000 });
      return Promise.reject(new DialError("Cannot connect: x", { code: "refused" }));
    },
    ingress: () => ({ hostname: "ingress.test", port: generation }),
    clientPair: () => ({ cert: `c${generation}`, key: `k${generation}` }),
    trust: () => [`ca${generation}`],
  });
  await it.ask("x");
  generation = 2;
  await it.ask("x");
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

Deno.test("Forwarder closes a connection if the ingress closes or sends garbage (F60, F61)", async () => {
  const cases: Record<string, [Behaviour, RegExp]> = {
    closes: [() => {}, /closed the connection before it answered/],
    garbage: [
      async (conn) => (await send(conn, "HTTP/1.1 400 Bad Request\r\n\r\n"), await conn.closeWrite()),
      /before it answered|malformed/,
    ],
    malformed: [answering(fromHex("04000a02fffe")), /malformed/],
  };
  for (const [what, [behave, reason]] of Object.entries(cases)) {
    await using it = start(HTTP, { behave });
    const answer = await it.ask(get("api.myapp"));
    assert.match(answer, /^HTTP\/1\.1 502 /, what);
    assert.match(answer, reason, what);
    assert.equal(it.forwarder.ingressHealth().state, "failing", what);
    assert.equal(it.forwarder.traffic("ep_api.myapp").errors, 1, what);
    await until(() => it.ingress.open.size === 0);
  }
});

Deno.test("Forwarder closes connections of a listener without routes, and uses new routes at once", async () => {
  await using it = start(TCP);
  it.forwarder.setRoutes(RouteTable.EMPTY);
  using none = await it.dial();
  assert.equal((await readAll(none)).length, 0);
  it.setRoutes(TCP);
  assert.equal(await it.ask("x"), "x");
});

Deno.test("Forwarder keeps running connections when a listener closes, and refuses new ones", async () => {
  await using it = start(TCP);
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

Deno.test("Forwarder.drain() waits for connections and aborts those that take too long", async () => {
  await using it = start(TCP);
  using quick = await it.dial();
  await send(quick, "a");
  await readExactly(quick, 1);
  const draining = it.forwarder.drain(5000);
  await untilRefused(it.port);
  await quick.closeWrite();
  assert.equal(await draining, 0);

  const port = it.forwarder.open({ address: "127.0.0.1", port: 0 });
  it.forwarder.setRoutes(new RouteTable([{ ...TCP, localPort: port }]));
  using stuck = await Deno.connect({ hostname: "127.0.0.1", port });
  await send(stuck, "a");
  await readExactly(stuck, 1);
  assert.equal(await it.forwarder.drain(10), 1);
  assert.equal(it.forwarder.openConnections, 0);
  await readAll(stuck).catch(() => {});
});

Deno.test("Forwarder ends at once when it is disposed, at any step of its connections", async () => {
  await using logged = await captureLog();
  await using it = start(HTTP, { behave: async (conn) => void await readAll(conn) });
  using idle = await it.dial();
  using inHead = await it.dial();
  await send(inHead, "GET /");
  using upgrading = await it.dial();
  await send(upgrading, get("api.myapp"));
  await until(() => it.ingress.asked.length === 1 && it.forwarder.openConnections === 3);
  await it.forwarder[Symbol.asyncDispose]();
  assert.equal(it.forwarder.openConnections, 0);
  assert.deepEqual(logged.lines("error"), []);
  const outcomes = logged.records.map((record) => record.properties["outcome"]).filter(Boolean);
  assert.deepEqual(outcomes, ["aborted", "aborted", "aborted"]);
  for (const conn of [idle, inHead, upgrading]) await readAll(conn).catch(() => {});
});

// The write to the ingress never noticed that the drain was over, so only SIGKILL ended the daemon.
Deno.test("Forwarder.drain() ends uploads that the ingress does not take", async () => {
  const over = Promise.withResolvers<void>();
  await using it = start(TCP, {
    behave: async (conn) => {
      await send(conn, WELCOME);
      await over.promise;
    },
  });
  using conn = await it.dial();
  const upload = (async () => {
    const block = new Uint8Array(65_536);
    while (true) await conn.write(block);
  })().catch(() => {});
  const bytesIn = (): number => it.forwarder.traffic("ep_db.internal").bytesIn;
  for (let moved = -1; moved !== bytesIn() || moved <= 0;) {
    moved = bytesIn();
    await sleep(300);
  }
  assert.equal(await it.forwarder.drain(10), 1);
  assert.equal(it.forwarder.openConnections, 0);
  over.resolve();
  await upload;
});

Deno.test("Forwarder ends only the connection in which an unexpected error happens, and logs it (F23)", async () => {
  await using logged = await captureLog();
  let broken = true;
  await using it = start(TCP, {
    trust() {
      if (broken) throw new TypeError("Cannot read a property: it is undefined");
      return [];
    },
  });
  assert.equal(await it.ask("x").catch(() => ""), "");
  broken = false;
  assert.equal(await it.ask("x"), "x");
  assert.equal(logged.lines("error").length, 1);
  assert.match(logged.lines("error")[0]!, /Cannot read a property/);
});

Deno.test("Forwarder warns once about an endpoint that fails many times", async () => {
  await using logged = await captureLog();
  await using it = start(TCP, { behave: answering(answerFrame({ 3: "ERR_NGROK_3200" })) });
  await Promise.all(Array.from({ length: 20 }, () => it.ask("x").catch(() => "")));
  assert.equal(logged.lines("warning").length, 1);
  assert.match(logged.lines("warning")[0]!, /db\.internal:5432.*ERR_NGROK_3200/);
  const warning = logged.records.find(({ level }) => level === "warning")!;
  assert.equal(warning.properties["name"], "db.internal:5432");
});

Deno.test("Forwarder warns again about an endpoint that was removed and came back", async () => {
  await using logged = await captureLog();
  await using it = start(TCP, { behave: answering(answerFrame({ 3: "ERR_NGROK_3200" })) });
  await it.ask("x").catch(() => "");
  it.setRoutes(TCP);
  await it.ask("x").catch(() => "");
  assert.equal(logged.lines("warning").length, 1, "it was not removed");
  it.setRoutes(HTTP);
  it.setRoutes(TCP);
  await it.ask("x").catch(() => "");
  assert.equal(logged.lines("warning").length, 2);
});

Deno.test("Forwarder frees the slot of every connection: 360 with 4 slots, a third abandoned", async () => {
  await using it = start(TCP, { plan: { accepted: 4 } });
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

Deno.test("Forwarder survives resets at every stage (F23, F58)", async () => {
  const stages: Record<string, Behaviour> = {
    "before the request is read": () => {},
    "after the answer": answering(WELCOME),
    "amid the data": async (conn) => {
      await send(conn, concat([WELCOME, pattern(100_000)]));
      await readExactly(conn, 10);
    },
  };
  await using it = start(TCP);
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
    assert.equal(await it.ask("still here"), "still here", stage);
  }
});

// Dials that hang in a network that is gone must free their slots, and their clients are served.
Deno.test("Forwarder.retryIngress() repeats hanging dials and leaves running connections alone", async () => {
  let isDead = false;
  let stuck = 0;
  await using it = start(TCP, {
    plan: { slots: 3 },
    connect({ port, signal }) {
      if (!isDead) return Deno.connect({ hostname: "127.0.0.1", port });
      stuck++;
      return new Promise((_, reject) => signal!.addEventListener("abort", () => reject(signal!.reason)));
    },
  });
  using running = await it.dial();
  await send(running, "a");
  assert.equal(text(await readExactly(running, 1)), "a");
  isDead = true;
  const replies = [1, 2, 3, 4].map(() => it.ask("hello"));
  await until(() => stuck === 2);
  isDead = false;
  it.forwarder.retryIngress();
  assert.deepEqual(await Promise.all(replies), Array(4).fill("hello"));
  await send(running, "b");
  assert.equal(text(await readExactly(running, 1)), "b");
  assert.equal(it.forwarder.traffic("ep_db.internal").errors, 0);
});

Deno.test("Forwarder matches names in normal form, and asks the ingress in the API's spelling (R89)", async () => {
  const lan = { listenInterface: "0.0.0.0" };
  const listeners = [
    { routes: [route("http://api.myapp:8080", { spelling: "API.MyApp." })], sent: "127.0.0.1" },
    { routes: [route("http://api.myapp:8080", { spelling: "API.MyApp.", ...lan })], sent: "api.myapp:8080" },
    { routes: [route("http://*.myapp:8080", { spelling: "*.MyApp." })], sent: "api.myapp:8080" },
  ];
  const answers = ["API.MyApp.:8080", "api.myapp:8080", "api.myapp:8080"];
  const asked = ["API.MyApp.", "API.MyApp.", "api.MyApp."];
  for (const [index, { routes, sent }] of listeners.entries()) {
    await using it = startForwarder(routes);
    assert.equal(await it.ask(get(sent)), get(answers[index]!));
    assert.deepEqual(it.ingress.asked, [{ host: asked[index], port: 8080 }]);
  }
});
