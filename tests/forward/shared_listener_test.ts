import assert from "node:assert/strict";
import { connect as connectTcp } from "node:net";
import { RouteTable } from "../../src/model/route_table.ts";
import { captureLog } from "../fakes/captured_log.ts";
import { clientHello, extension, hello, records } from "../fakes/client_hello.ts";
import { collect, httpMirror, mirrorInto, WELCOME } from "../fakes/fake_ingress.ts";
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
import { until } from "../fakes/sockets.ts";
import { startForwarder, type StartOptions } from "../fakes/start_forwarder.ts";

const A = "http://a.example.com:80";
const B = "http://b.example.com:80";
const LAN = { listenInterface: "0.0.0.0" };
const WILD = "http://*.example.com:80";
const UNRECOGNIZED_NAME = fromHex("15030300020270");

/** A shared listener of network mode with these endpoints. */
function share(urls: readonly string[], options: StartOptions = {}) {
  return startForwarder(urls.map((url) => route(url, LAN)), options);
}

Deno.test("a shared http listener finds the exact name, then the longest wildcard, at any depth", async () => {
  await using it = share([A, WILD, "http://*.b.example.com:80"]);
  const names = ["a.example.com", "x.example.com", "b.example.com", "x.y.b.example.com"];
  for (const name of names) assert.equal(await it.ask(get(name)), get(name));
  assert.deepEqual(it.ingress.asked.map(({ host }) => host), names, "the ingress gets the concrete name");
  for (const name of ["example.com", "other.org", "127.0.0.1", ""]) {
    assert.match(
      await it.ask(get(name)),
      /^HTTP\/1\.1 421 [^]*No endpoint on this address has that name/,
    );
  }
  assert.equal(it.ingress.asked.length, 4);
});

// The rules of a listener with one endpoint once stayed for as long as the connection.
Deno.test("a connection follows the rules of the listener's present endpoints (R86, R88)", async () => {
  const lenient = get("a.example.com").replaceAll("\r\n", "\n");
  const large = get("a.example.com").replace("\r\n\r\n", `\r\nX: ${"x".repeat(40_000)}\r\n\r\n`);
  for (const [request, status] of [[lenient, 400], [large, 431]] as const) {
    await using it = share([A], { behave: httpMirror });
    using conn = await it.dial();
    await send(conn, request);
    assert.match(await readUntil(conn, "\r\n\r\n"), /^HTTP\/1\.1 200 /);
    it.setRoutes(route(A, LAN), route(B, LAN));
    await send(conn, request);
    assert.match(text(await readAll(conn)), new RegExp(`HTTP/1\\.1 ${status} `));
  }
});

// The only endpoint of a shared listener was once a default for every name.
Deno.test("a shared TLS listener with one endpoint refuses other names and hellos without a name", async () => {
  for (const scheme of ["tls", "https"]) {
    await using it = share([`${scheme}://a.example.com:443`]);
    for (const name of ["b.example.com", "example.com", "x.a.example.com", undefined]) {
      assert.deepEqual(await it.exchange(hello(name)), UNRECOGNIZED_NAME, `${scheme} ${name}`);
    }
    assert.deepEqual(it.ingress.asked, []);
    const good = hello("A.Example.com");
    assert.deepEqual(await it.exchange(good), good);
    assert.deepEqual(it.ingress.asked, [{ host: "a.example.com", port: 443 }]);
  }
});

Deno.test("a shared http listener with one endpoint refuses other names, also later ones (F68)", async () => {
  for (
    const [url, expected] of [[A, "only http://a.example.com."], [
      "http://*.a.example.com:80",
      "No endpoint",
    ]] as const
  ) {
    const name = url === A ? "a.example.com" : "x.a.example.com";
    const seen: string[] = [];
    await using it = share([url], { behave: collect(seen) });
    assert.match(
      await it.ask(get(name) + get("b.example.org", "/evil")),
      /^HTTP\/1\.1 204 No Content\r\n\r\nHTTP\/1\.1 421 Misdirected Request\r\n/,
    );
    assert.deepEqual(seen, [get(name)]);
    const answer = await it.ask(get("b.example.com"));
    assert.match(answer, /^HTTP\/1\.1 421 /);
    assert.ok(answer.includes(expected), answer);
    assert.equal(it.ingress.asked.length, 1);
  }
});

Deno.test("a shared http listener passes HTTP/2 without TLS to its only endpoint (R87)", async () => {
  await using it = share([A]);
  const bytes = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\xff";
  assert.deepEqual(await it.exchange(latin1(bytes)), latin1(bytes));
});

Deno.test("an endpoint's own listener on a shared address serves every name that a client sends", async () => {
  await using it = startForwarder([
    route("http://a.example.com:3000", { listenInterface: "0.0.0.0", extra: true }),
  ]);
  assert.equal(await it.ask(get("localhost:9080")), get("a.example.com:3000"));
});

/** Listeners on which several names share one address. */
const SHARED = {
  "a shared listener": [route(A, LAN), route(B, LAN)],
  "a shared listener with a wildcard": [route(WILD, LAN)],
  "the virtual listener of a wildcard": [route(WILD)],
};
const SOLE = { "a shared listener with one endpoint": [route(A, LAN)] };

for (const [what, routes] of Object.entries(SHARED)) {
  Deno.test(`${what} checks the Host of pipelined requests and of later ones (F68, R35)`, async () => {
    const seen = new Map<string, string>();
    await using it = startForwarder(routes, { behave: mirrorInto(seen) });
    const pipelined = get("a.example.com", "/1") + get("a.example.com", "/2") + get("b.example.com", "/3") +
      get("a.example.com", "/4") + get("a.example.org", "/5") + get("a.example.com", "/6");
    const answer = await it.ask(pipelined);
    assert.deepEqual(answer.match(/GET \/[0-9]|421(?= M.*\r)/g), [
      "GET /1",
      "GET /2",
      "GET /3",
      "GET /4",
      "421",
    ]);
    assert.deepEqual([...seen], [
      ["a.example.com", get("a.example.com", "/1") + get("a.example.com", "/2") + get("a.example.com", "/4")],
      ["b.example.com", get("b.example.com", "/3")],
    ]);
    assert.equal(it.ingress.asked.length, 2, "the first upstream is used again");
  });
}

for (const [what, routes] of Object.entries({ ...SHARED, ...SOLE })) {
  Deno.test(`${what} passes all bytes after an upgrade only if the server agreed (F68)`, async () => {
    const upgrade = get("a.example.com").replace(
      "\r\n\r\n",
      "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    );
    for (const status of ["101 Switching Protocols", "426 Upgrade Required", "403 Forbidden"]) {
      const seen: string[] = [];
      await using it = startForwarder(routes, {
        behave: async (conn) => {
          await send(conn, WELCOME);
          await readExactly(conn, upgrade.length);
          await send(
            conn,
            `HTTP/1.1 ${status}\r\n${status.startsWith("101") ? "" : "Content-Length: 0\r\n"}\r\n`,
          );
          seen.push(text(await readAll(conn)));
        },
      });
      const answer = await it.ask(upgrade + get("b.example.org") + "frames, not requests");
      const isSwitched = status.startsWith("101");
      assert.deepEqual(seen, [isSwitched ? `${get("b.example.org")}frames, not requests` : ""]);
      assert.match(answer, isSwitched ? /^HTTP\/1\.1 101 [^]*\r\n\r\n$/ : /^HTTP\/1\.1 4[^]*HTTP\/1\.1 421 /);
    }
  });
}

Deno.test("a shared listener routes by an absolute target and copies it to Host (RFC 9112 3.2.2)", async () => {
  const seen: string[] = [];
  await using it = share([A, B], { behave: collect(seen) });
  const target = (host: string): string =>
    `GET http://A.example.com:80/1 HTTP/1.1\r\nHost: ${host}\r\nX: y\r\n\r\n`;
  await it.ask(target("b.example.com"));
  assert.deepEqual(it.ingress.asked, [{ host: "a.example.com", port: 80 }]);
  assert.deepEqual(seen, [target("A.example.com:80")]);
  const other = "GET http://b.example.org/ HTTP/1.1\r\nHost: a.example.com\r\n\r\n";
  assert.match(await it.ask(get("a.example.com") + other), /HTTP\/1\.1 421 /);
  assert.equal(seen[1], get("a.example.com"));
});

Deno.test("a shared listener accepts a head of 200 fields and 32 KiB, and answers 431 to more (R36)", async () => {
  await using it = share([A, B]);
  const head = (fields: number, size = 0): string =>
    `GET / HTTP/1.1\r\nHost: a.example.com\r\n${"X: y\r\n".repeat(fields - 2)}Y: ${"z".repeat(size)}\r\n\r\n`;
  assert.equal(await it.ask(head(200)), head(200));
  assert.match(await it.ask(head(201)), /^HTTP\/1\.1 431 [^]*more than 200/);
  const full = 32_768 - head(2).length;
  assert.equal((await it.exchange(head(2, full))).length, 32_768);
  const tooLarge = /HTTP\/1\.1 431 [^]*larger than 32 KiB \(32768 bytes\)[^]*cookies[^]*address of its own/;
  assert.match(await it.ask(head(2, full + 1)), tooLarge);
  await using answering = share([A, B], { behave: collect([]) });
  assert.match(await answering.ask(get("a.example.com") + head(2, full + 1)), tooLarge);
});

Deno.test("a shared TLS listener passes on a hello cut into records and segments of one byte (R23)", async () => {
  await using it = share(["tls://a.example.com:443", "tls://*.example.com:443"]);
  const ech = extension(0xfe0d, pattern(300));
  const cut = records(clientHello({ name: "x.y.example.com", before: [ech] }), 1);
  using conn = await it.dial();
  conn.setNoDelay(true);
  for (let index = 0; index < cut.length; index++) await send(conn, cut.subarray(index, index + 1));
  assert.deepEqual(await readExactly(conn, cut.length), cut);
  assert.deepEqual(it.ingress.asked, [{ host: "x.y.example.com", port: 443 }]);
  const large = records(clientHello({ name: "a.example.com", padding: 64_000 }));
  assert.deepEqual(await it.exchange(large), large);
  assert.deepEqual(
    await it.exchange(records(clientHello({ name: "a.example.com", padding: 70_000 }).subarray(0, 65_530))),
    fromHex("15030300020232"),
  );
});

Deno.test("a shared listener gives nothing to a peer that may not connect, and does not warn", async () => {
  await using logged = await captureLog();
  await using it = share([A, B], { admit: () => false });
  for (let count = 0; count < 50; count++) {
    using conn = await it.dial();
    await send(conn, get("a.example.com")).catch(() => {});
    assert.equal((await readAll(conn).catch(() => new Uint8Array(0))).length, 0);
  }
  assert.deepEqual(it.ingress.asked, []);
  assert.ok(logged.records.every(({ level }) => level === "debug"));
});

Deno.test("a shared listener serves a client while 200 others from its address stay silent (F65)", async () => {
  await using it = share([A, B], { maxUnrouted: 40, limits: { helloMs: 600, headMs: 6000 } });
  const crowd = await Promise.all(Array.from({ length: 200 }, () => it.dial()));
  for (const conn of crowd.slice(0, 50)) await send(conn, "G");
  await until(() => it.forwarder.openConnections === 200);
  assert.equal(await it.ask(get("a.example.com")), get("a.example.com"));
  const since = performance.now();
  await Promise.all(crowd.map((conn) => readAll(conn).catch(() => {})));
  assert.ok(performance.now() - since < 5000, "those that drip do not get the time of a head either");
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

Deno.test("a shared listener ends only the connections that are reset, 1,000 at every stage (F58)", async () => {
  await using logged = await captureLog();
  await using it = share([A, "tls://a.example.com:443"]);
  const first = hello("a.example.com");
  const post = "POST / HTTP/1.1\r\nHost: a.example.com\r\nContent-Length: 100000\r\n\r\n";
  const stages: Record<string, Uint8Array | string> = {
    "after the accept": "",
    "in a head": "GET / HT",
    "in a hello": first.subarray(0, 40),
    "in a body": post + "x".repeat(5000),
    "in a TLS stream": concat([first, pattern(20_000)]),
  };
  using steady = await it.dial();
  await send(steady, first);
  await readExactly(steady, first.length);
  for (const [stage, bytes] of Object.entries(stages)) {
    for (let round = 0; round < 10; round++) {
      await Promise.all(Array.from({ length: 20 }, () => resetAfter(it.port, bytes)));
    }
    assert.equal(await it.ask(get("a.example.com")), get("a.example.com"), stage);
  }
  await until(() => it.forwarder.openConnections === 1);
  await send(steady, "still here");
  assert.equal(text(await readExactly(steady, 10)), "still here");
  assert.deepEqual([...logged.lines("error"), ...logged.lines("warning")], []);
  const draining = it.forwarder.drain(5000);
  await resetAfter(it.port, "").catch(() => "refused");
  await steady.closeWrite();
  assert.equal(await draining, 0);
});

// A client that resolved the first name to the second one's address got 421.
Deno.test("a name on 0.0.0.0 is served on an address that another name has, and not the reverse", async () => {
  await using it = share([], { behave: collect([]) });
  const port = it.forwarder.open({ address: "0.0.0.0", port: 0 });
  const on = (url: string, address: string) =>
    route(url, { listenInterface: address, address, localPort: port });
  it.forwarder.setRoutes(
    new RouteTable([on("http://c.apps.t:80", "0.0.0.0"), on("http://admin.apps.t:80", "127.0.0.3")]),
  );
  const status = async (hostname: string, host: string): Promise<string> => {
    using conn = await Deno.connect({ hostname, port });
    await send(conn, get(host));
    await conn.closeWrite();
    return text(await readAll(conn)).slice(9, 12);
  };
  assert.equal(await status("127.0.0.3", "admin.apps.t"), "204");
  assert.equal(await status("127.0.0.3", "c.apps.t"), "204");
  assert.equal(await status("127.0.0.1", "c.apps.t"), "204");
  assert.equal(await status("127.0.0.1", "admin.apps.t"), "421");
});

// Connections to such an address once went to the shared endpoints.
Deno.test("a listener on 0.0.0.0 keeps an endpoint's own address for it, with its admission", async () => {
  const admitted: string[] = [];
  await using it = share([], {
    admit: (_peer, key) => {
      admitted.push(key);
      return !key.startsWith("127.0.0.4:");
    },
    behave: collect([]),
  });
  const port = it.forwarder.open({ address: "0.0.0.0", port: 0 });
  it.forwarder.setRoutes(
    new RouteTable([
      route("http://zz.t:80", { listenInterface: "0.0.0.0", address: "0.0.0.0", localPort: port }),
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
  assert.equal(await ask("127.0.0.3", "localhost"), "HTTP/1.1 204", "the address is the endpoint's own");
  assert.equal(await ask("127.0.0.1", "zz.t"), "HTTP/1.1 204");
  assert.equal(await ask("127.0.0.1", "admin.t"), "HTTP/1.1 421", "not by the shared addresses");
  assert.equal(await ask("127.0.0.4", "secret.t"), "", "a peer that is not admitted gets nothing");
  assert.deepEqual(new Set(admitted), new Set([`127.0.0.3:${port}`, `0.0.0.0:${port}`, `127.0.0.4:${port}`]));
});
