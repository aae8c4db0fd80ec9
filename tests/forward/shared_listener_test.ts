import assert from "node:assert/strict";
import { connect as connectTcp } from "node:net";
import { Forwarder, type ForwarderOptions } from "../../src/forward/forwarder.ts";
import { RouteTable } from "../../src/model/route_table.ts";
import { connectTls, listenTcp } from "../../src/system/net.ts";
import { TestCa } from "../fakes/test_ca.ts";
import { AMBIGUOUS, AMBIGUOUS_CHUNKS } from "./http/ambiguous_heads.ts";
import { captureLog } from "../fakes/captured_log.ts";
import { clientHello, extension, records } from "../fakes/client_hello.ts";
import { type Behaviour, echo, fakeIngress, WELCOME } from "../fakes/fake_ingress.ts";
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
import { until } from "../fakes/sockets.ts";

const NO_CONTENT = "HTTP/1.1 204 No Content\r\n\r\n";
const UNRECOGNIZED_NAME = fromHex("15030300020270");

/** A shared listener of network mode with these endpoints, before an ingress that does as it is told. */
function share(urls: readonly string[], options: Partial<ForwarderOptions> & { behave?: Behaviour } = {}) {
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
  forwarder.setRoutes(new RouteTable(urls.map((url) => route(url, { mode: "0.0.0.0", localPort: port }))));
  return {
    ingress,
    forwarder,
    port,
    dial: () => Deno.connect({ hostname: "127.0.0.1", port }),
    async [Symbol.asyncDispose]() {
      await forwarder[Symbol.asyncDispose]();
      await ingress[Symbol.asyncDispose]();
    },
  };
}

/** Sends the bytes, ends, and gives all that comes back. */
async function exchange(
  it: { dial: () => Promise<Deno.TcpConn> },
  bytes: Uint8Array | string,
): Promise<Uint8Array> {
  using conn = await it.dial();
  await send(conn, bytes);
  await conn.closeWrite();
  return await readAll(conn);
}

function get(host: string, path = "/"): string {
  return `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
}

/** Keeps what upstream sees of each connection, and answers at its end. */
function keep(seen: string[]): Behaviour {
  return async (conn) => {
    await send(conn, WELCOME);
    seen.push(text(await readAll(conn)));
    await send(conn, NO_CONTENT);
  };
}

Deno.test("a shared http listener asks the cloud for the concrete name: exact, then the longest wildcard, at any depth", async () => {
  await using it = share(["http://a.example.com:80", "http://*.example.com:80", "http://*.b.example.com:80"]);
  for (const name of ["a.example.com", "x.example.com", "b.example.com", "x.y.b.example.com"]) {
    assert.equal(text(await exchange(it, get(name))), get(name));
  }
  assert.deepEqual(it.ingress.asked.map(({ host }) => host), [
    "a.example.com",
    "x.example.com",
    "b.example.com",
    "x.y.b.example.com",
  ]);
  for (const name of ["example.com", "other.org", "127.0.0.1", ""]) {
    assert.match(
      text(await exchange(it, get(name))),
      /^HTTP\/1\.1 421 [^]*No endpoint on this address has that name/,
    );
  }
  assert.equal(it.ingress.asked.length, 4);
});

Deno.test("a shared TLS listener of one endpoint is no default for other names, nor for none (it was)", async () => {
  for (const scheme of ["tls", "https"]) {
    await using it = share([`${scheme}://a.example.com:443`]);
    for (const name of ["b.example.com", "example.com", "x.a.example.com", undefined]) {
      const answer = await exchange(it, records(clientHello({ name })));
      assert.deepEqual(answer, UNRECOGNIZED_NAME, `${scheme} ${name}`);
    }
    assert.deepEqual(it.ingress.asked, []);
    const hello = records(clientHello({ name: "A.Example.com" }));
    assert.deepEqual(await exchange(it, hello), hello);
    assert.deepEqual(it.ingress.asked, [{ host: "a.example.com", port: 443 }]);
  }
});

Deno.test("a shared http listener of one endpoint is no default either: not for a later request, nor for HTTP/2 (it was) (F68)", async () => {
  const seen: string[] = [];
  await using it = share(["http://a.example.com:80"], { behave: keep(seen) });
  const answer = text(await exchange(it, get("a.example.com") + get("b.example.com", "/evil")));
  assert.match(answer, /^HTTP\/1\.1 204 No Content\r\n\r\nHTTP\/1\.1 421 Misdirected Request\r\n/);
  assert.deepEqual(seen, [get("a.example.com")]);
  assert.match(text(await exchange(it, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")), /^HTTP\/1\.1 400 /);
  assert.match(text(await exchange(it, get("b.example.com"))), /^HTTP\/1\.1 421 [^]*a\.example\.com only/);
  assert.equal(it.ingress.asked.length, 1);
});

Deno.test("a listener of its own on a shared address serves whatever name a client gives", async () => {
  await using it = share([]);
  const own = route("http://a.example.com:3000", { mode: "0.0.0.0", localPort: it.port, own: true });
  it.forwarder.setRoutes(new RouteTable([own]));
  assert.equal(text(await exchange(it, get("localhost:9080"))), get("a.example.com:3000"));
});

Deno.test("a shared listener holds pipelined requests and those after an answer against their own Host (F68)", async () => {
  const seen: string[] = [];
  await using it = share(["http://a.example.com:80", "http://b.example.com:80"], { behave: keep(seen) });
  const pipelined = get("a.example.com", "/1") + get("a.example.com", "/2") + get("b.example.com", "/3") +
    get("a.example.com", "/4");
  assert.match(
    text(await exchange(it, pipelined)),
    /^HTTP\/1\.1 204 [^]*HTTP\/1\.1 421 [^]*Open a connection of its own/,
  );
  assert.deepEqual(seen, [get("a.example.com", "/1") + get("a.example.com", "/2")]);

  it.ingress.behave = async (conn) => {
    await send(conn, WELCOME);
    seen.push(await readUntil(conn, "\r\n\r\n"));
    await send(conn, NO_CONTENT);
    seen.push(text(await readAll(conn)));
  };
  using conn = await it.dial();
  await send(conn, get("b.example.com"));
  assert.equal(await readUntil(conn, "\r\n\r\n"), NO_CONTENT);
  await send(conn, get("a.example.com"));
  assert.match(text(await readAll(conn)), /^HTTP\/1\.1 421 /);
  assert.deepEqual(seen.slice(1), [get("b.example.com"), ""]);
});

Deno.test("a shared listener lets a client that asked for an upgrade name no other host before the server has agreed (F68)", async () => {
  const upgrade = get("a.example.com").replace("\r\n\r\n", "\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
  const seen: string[] = [];
  for (const status of ["101 Switching Protocols", "426 Upgrade Required"]) {
    await using it = share(["http://a.example.com:80"], {
      behave: async (conn) => {
        await send(conn, WELCOME);
        await readExactly(conn, upgrade.length);
        await send(conn, `HTTP/1.1 ${status}\r\n\r\n`);
        seen.push(text(await readAll(conn)));
      },
    });
    await exchange(it, upgrade + get("b.example.com"));
  }
  assert.deepEqual(seen, [get("b.example.com"), ""]);
});

Deno.test("a shared listener goes by an absolute target, and makes Host the same (RFC 9112 3.2.2)", async () => {
  const seen: string[] = [];
  await using it = share(["http://a.example.com:80", "http://b.example.com:80"], { behave: keep(seen) });
  await exchange(it, "GET http://A.example.com:80/1 HTTP/1.1\r\nHost: b.example.com\r\nX: y\r\n\r\n");
  assert.deepEqual(it.ingress.asked, [{ host: "a.example.com", port: 80 }]);
  assert.deepEqual(seen, [
    "GET http://A.example.com:80/1 HTTP/1.1\r\nHost: A.example.com:80\r\nX: y\r\n\r\n",
  ]);
  const refused = text(
    await exchange(
      it,
      get("a.example.com") + "GET http://b.example.com/ HTTP/1.1\r\nHost: a.example.com\r\n\r\n",
    ),
  );
  assert.match(refused, /HTTP\/1\.1 421 /);
  assert.equal(seen[1], get("a.example.com"));
});

const EVIL = get("b.example.com", "/evil");

Deno.test("of an ambiguous first request on a shared listener upstream sees nothing (R34)", async () => {
  await using it = share(["http://a.example.com:80", "http://b.example.com:80"]);
  for (const [what, rest] of Object.entries(AMBIGUOUS)) {
    const answer = text(
      await exchange(it, `POST / HTTP/1.1\r\n${rest.replaceAll("~", "a.example.com")}${EVIL}`),
    );
    assert.match(answer, /^HTTP\/1\.1 400 Bad Request\r\n[^]*Connection: close\r\n/, what);
    assert.equal(answer.split("HTTP/1.1 ").length, 2, `${what}: one answer`);
  }
  assert.deepEqual(it.ingress.asked, []);
});

Deno.test("of an ambiguous request after a good one on a shared listener upstream sees the good one only (R34, R35)", async () => {
  const seen: string[] = [];
  await using it = share(["http://a.example.com:80", "http://b.example.com:80"], { behave: keep(seen) });
  const good = "POST / HTTP/1.1\r\nHost: a.example.com\r\nContent-Length: 5\r\n\r\nhello";
  for (const [what, rest] of Object.entries(AMBIGUOUS)) {
    const bad = `POST / HTTP/1.1\r\n${rest.replaceAll("~", "a.example.com")}`;
    assert.match(text(await exchange(it, good + bad + EVIL)), /^HTTP\/1\.1 204 [^]*HTTP\/1\.1 400 /, what);
    assert.equal(seen.pop(), good, what);
  }
  const head = "POST / HTTP/1.1\r\nHost: a.example.com\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const [what, [passes, stops]] of Object.entries(AMBIGUOUS_CHUNKS)) {
    assert.match(text(await exchange(it, head + passes + stops + EVIL)), /HTTP\/1\.1 400 /, what);
    assert.equal(seen.pop(), head + passes, what);
  }
});

Deno.test("a shared listener takes a head of 100 fields and 16 KiB, and answers 431 to more (R36)", async () => {
  await using it = share(["http://a.example.com:80", "http://b.example.com:80"]);
  const head = (fields: number, size = 0): string =>
    `GET / HTTP/1.1\r\nHost: a.example.com\r\n${"X: y\r\n".repeat(fields - 2)}Y: ${"z".repeat(size)}\r\n\r\n`;
  assert.equal(text(await exchange(it, head(100))), head(100));
  assert.match(text(await exchange(it, head(101))), /^HTTP\/1\.1 431 [^]*more than 100/);
  const full = 16_384 - head(2).length;
  assert.equal((await exchange(it, head(2, full))).length, 16_384);
  assert.match(text(await exchange(it, head(2, full + 1))), /^HTTP\/1\.1 431 [^]*larger than 16384/);
});

Deno.test("a shared TLS listener reads a hello in records of one byte, in segments of one byte, with GREASE and ECH, and passes it on as it came (R23)", async () => {
  await using it = share(["tls://a.example.com:443", "tls://*.example.com:443"]);
  const ech = extension(0xfe0d, pattern(300));
  const hello = records(clientHello({ name: "x.y.example.com", before: [ech] }), 1);
  using conn = await it.dial();
  conn.setNoDelay(true);
  for (let at = 0; at < hello.length; at++) await send(conn, hello.subarray(at, at + 1));
  assert.deepEqual(await readExactly(conn, hello.length), hello);
  assert.deepEqual(it.ingress.asked, [{ host: "x.y.example.com", port: 443 }]);
  const large = records(clientHello({ name: "a.example.com", padding: 64_000 }));
  assert.deepEqual(await exchange(it, large), large);
  assert.deepEqual(
    await exchange(it, records(clientHello({ name: "a.example.com", padding: 70_000 }).subarray(0, 65_530))),
    fromHex("15030300020232"),
  );
});

Deno.test("a peer that may not connect gets nothing from a shared listener, whatever it sends, and nothing is read or warned of", async () => {
  await using logged = await captureLog();
  await using it = share(["http://a.example.com:80", "http://b.example.com:80"], { admit: () => false });
  for (let count = 0; count < 50; count++) {
    using conn = await it.dial();
    await send(conn, get("a.example.com")).catch(() => {});
    assert.equal((await readAll(conn).catch(() => new Uint8Array(0))).length, 0);
  }
  assert.deepEqual(it.ingress.asked, []);
  assert.ok(logged.records.every(({ level }) => level === "debug"));
});

Deno.test("an honest client is served by a shared listener while 200 from its own address keep silent, and those are gone in the time of a hello (F65)", async () => {
  await using it = share(["http://a.example.com:80", "http://b.example.com:80"], {
    maxUnrouted: 40,
    limits: { helloMs: 600, headMs: 1200 },
  });
  const crowd = await Promise.all(Array.from({ length: 200 }, () => it.dial()));
  for (const conn of crowd.slice(0, 50)) await send(conn, "G");
  await until(() => it.forwarder.openConnections === 200);
  assert.equal(text(await exchange(it, get("a.example.com"))), get("a.example.com"));
  const since = performance.now();
  await Promise.all(crowd.map((conn) => readAll(conn).catch(() => {})));
  assert.ok(performance.now() - since < 1000, "drippers do not get the time of a head either");
  for (const conn of crowd) conn.close();
  await until(() => it.forwarder.openConnections === 0);
});

/** Sends the bytes and resets the connection. */
function resetAfter(port: number, bytes: Uint8Array | string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connectTcp({ host: "127.0.0.1", port }, () => {
      socket.write(typeof bytes === "string" ? latin1(bytes) : bytes, () => socket.resetAndDestroy());
      if (bytes.length === 0) socket.resetAndDestroy();
    });
    socket.on("error", reject);
    socket.on("close", () => resolve());
  });
}

Deno.test("1,000 resets at every stage end their own connections only (F58)", async () => {
  await using logged = await captureLog();
  await using it = share(["http://a.example.com:80", "tls://a.example.com:443"]);
  const hello = records(clientHello({ name: "a.example.com" }));
  const stages: Record<string, Uint8Array | string> = {
    "after the accept": "",
    "in a head": "GET / HT",
    "in a hello": hello.subarray(0, 40),
    "in a body": `POST / HTTP/1.1\r\nHost: a.example.com\r\nContent-Length: 100000\r\n\r\n${
      "x".repeat(5000)
    }`,
    "in a TLS stream": concat([hello, pattern(20_000)]),
  };
  using steady = await it.dial();
  await send(steady, hello);
  await readExactly(steady, hello.length);
  for (const [stage, bytes] of Object.entries(stages)) {
    for (let round = 0; round < 10; round++) {
      await Promise.all(Array.from({ length: 20 }, () => resetAfter(it.port, bytes)));
    }
    assert.equal(text(await exchange(it, get("a.example.com"))), get("a.example.com"), stage);
  }
  await until(() => it.forwarder.openConnections === 1);
  await send(steady, "still here");
  assert.equal(text(await readExactly(steady, 10)), "still here");
  assert.deepEqual([...logged.lines("error"), ...logged.lines("warning")], []);
  const draining = it.forwarder.drain(5000);
  await resetAfter(it.port, "").catch(() => "refused");
  await steady.closeWrite();
  assert.equal(await draining, true);
});

Deno.test("half-closes pass a shared listener in both directions, plain and over TLS (F57)", async () => {
  const ca = await TestCa.create();
  const server = await ca.pair();
  const client = await ca.pair();
  const bulk = pattern(2_000_064);
  const hello = records(clientHello({ name: "a.example.com" }));
  for (const secure of [false, true]) {
    const ingress = fakeIngress(async (conn) => {
      await send(conn, WELCOME);
      await readAll(conn);
      await send(conn, bulk);
    }, secure ? { tls: server } : {});
    await using _ingress = ingress;
    await using it = share(["tls://a.example.com:443", "http://a.example.com:80"], {
      connect: (options) =>
        secure
          ? connectTls({
            ...options,
            hostname: "localhost",
            port: ingress.port,
            ...client,
            caCerts: [ca.pem],
          })
          : Deno.connect({ hostname: "127.0.0.1", port: ingress.port }),
    });
    for (const first of [hello, get("a.example.com")]) {
      assert.deepEqual(await exchange(it, first), bulk);
    }
    const uploaded = Promise.withResolvers<number>();
    ingress.behave = async (conn) => {
      await send(conn, concat([WELCOME, latin1("bye")]));
      await conn.closeWrite();
      uploaded.resolve((await readAll(conn)).length);
    };
    using conn = await it.dial();
    await send(conn, hello);
    assert.equal(text(await readAll(conn)), "bye");
    await send(conn, bulk);
    await conn.closeWrite();
    assert.equal(await uploaded.promise, hello.length + bulk.length);
  }
});

Deno.test("a listener on every address has an endpoint's own address for that endpoint alone, and its admission (it went to the shared ones)", async () => {
  const admitted: string[] = [];
  await using it = share([], {
    admit: (_peer, key) => {
      admitted.push(key);
      return !key.startsWith("127.0.0.4:");
    },
    behave: async (conn) => {
      await send(conn, WELCOME);
      await readUntil(conn, "\r\n\r\n");
      await send(conn, NO_CONTENT);
    },
  });
  const port = it.forwarder.open({ address: "0.0.0.0", port: 0 });
  const everywhere = { mode: "0.0.0.0", address: "0.0.0.0", localPort: port };
  it.forwarder.setRoutes(
    new RouteTable([
      route("http://zz.t:80", everywhere),
      route("http://admin.t:80", { address: "127.0.0.3", localPort: port }),
      route("http://secret.t:80", { address: "127.0.0.4", localPort: port }),
    ]),
  );
  const ask = async (hostname: string, host: string): Promise<string> => {
    using conn = await Deno.connect({ hostname, port });
    await send(conn, get(host));
    await conn.closeWrite();
    return text(await readAll(conn).catch(() => new Uint8Array())).slice(0, 12);
  };
  assert.equal(await ask("127.0.0.3", "admin.t"), "HTTP/1.1 204");
  assert.equal(await ask("127.0.0.3", "anything.t"), "HTTP/1.1 204", "the address is the endpoint's own");
  assert.equal(await ask("127.0.0.1", "zz.t"), "HTTP/1.1 204");
  assert.equal(await ask("127.0.0.1", "admin.t"), "HTTP/1.1 421", "not by the shared addresses");
  assert.equal(await ask("127.0.0.4", "secret.t"), "", "who is not admitted there gets nothing");
  assert.deepEqual(new Set(admitted), new Set([`127.0.0.3:${port}`, `0.0.0.0:${port}`, `127.0.0.4:${port}`]));
});
