import assert from "node:assert/strict";
import { type Behaviour, collect, NO_CONTENT, WELCOME } from "../../fakes/fake_ingress.ts";
import {
  concat,
  copyStream,
  latin1,
  pattern,
  readAll,
  readExactly,
  readUntil,
  send,
  text,
} from "../../fakes/memory_stream.ts";
import { get } from "../../fakes/http_request.ts";
import { route } from "../../fakes/routes.ts";
import { startForwarder } from "../../fakes/start_forwarder.ts";

const CLIENT_HOST = "127.0.0.1:9080";

/** A virtual http endpoint `api.myapp:8080`. */
function start(behave: Behaviour) {
  return startForwarder([route("http://api.myapp:8080")], { behave });
}

/** Sends the bytes to a new endpoint; returns what the server received and what came back. */
async function exchange(bytes: string): Promise<{ seen: string[]; answer: string }> {
  const seen: string[] = [];
  await using it = start(collect(seen));
  return { answer: await it.ask(bytes), seen };
}

function byAddress(request: string): string {
  return request.replaceAll("~", CLIENT_HOST);
}

function byName(request: string): string {
  return request.replaceAll("~", "api.myapp:8080");
}

Deno.test("Host rewriting changes only the Host of three pipelined requests", async () => {
  const requests = [
    "GET /1 HTTP/1.1\r\nuser-AGENT:x\r\nhost:~\r\nAccept: */*\r\nACCEPT: y\r\n\r\n",
    "POST /2 HTTP/1.1\r\nContent-Length: 8\r\nHost:\t~ \r\n\r\nHost: x\r",
    "GET http://~/3 HTTP/1.1\r\nHost: ~\r\nConnection: close\r\n\r\n",
  ].join("");
  const { seen, answer } = await exchange(byAddress(requests));
  assert.deepEqual(seen, [byName(requests)]);
  assert.equal(answer, NO_CONTENT);
});

Deno.test("Host rewriting adds a Host for an HTTP/1.0 client", async () => {
  const { seen } = await exchange("GET / HTTP/1.0\r\nX: y\r\n\r\n");
  assert.deepEqual(seen, ["GET / HTTP/1.0\r\nHost: api.myapp:8080\r\nX: y\r\n\r\n"]);
});

Deno.test("Host rewriting passes a connection through if its first Host is right", async () => {
  const bytes = byName("GET / HTTP/1.1\r\nHost: ~\r\n\r\n") + "GET / HTTP/1.1\nHost: x\n\n\0";
  const { seen } = await exchange(bytes);
  assert.deepEqual(seen, [bytes]);
});

Deno.test("Host rewriting keeps every byte of bodies of 1 MiB, with a length and in chunks", async () => {
  const body = pattern(1 << 20);
  const sized = `PUT /1 HTTP/1.1\r\nHost: ~\r\nContent-Length: ${body.length}\r\n\r\n`;
  const chunked = "PUT /2 HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: ~\r\n\r\n";
  const chunks: Uint8Array[] = [];
  for (let start = 0; start < body.length;) {
    const chunk = body.subarray(start, start + Math.min(1 + start * 2, 200_000));
    start += chunk.length;
    chunks.push(latin1(`${chunk.length.toString(16)};n=v\r\n`), chunk, latin1("\r\n"));
  }
  const whole = (spell: (text: string) => string): Uint8Array =>
    concat([
      latin1(spell(sized)),
      body,
      latin1(spell(chunked)),
      ...chunks,
      latin1("0\r\nDigest: x\r\n\r\n"),
      latin1(spell("GET /3 HTTP/1.1\r\nHost: ~\r\n\r\n")),
    ]);
  let received: Uint8Array | undefined;
  await using it = start(async (conn) => {
    await send(conn, WELCOME);
    received = await readAll(conn);
    await send(conn, NO_CONTENT);
  });
  await it.ask(whole(byAddress));
  assert.deepEqual(received, whole(byName));
});

Deno.test("Host rewriting passes 100 Continue on before the client sends its body", async () => {
  const head = "POST / HTTP/1.1\r\nHost: ~\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
  const seen: string[] = [];
  await using it = start(async (conn) => {
    await send(conn, WELCOME);
    seen.push(await readUntil(conn, "\r\n\r\n"));
    await send(conn, "HTTP/1.1 100 Continue\r\n\r\n");
    seen.push(text(await readExactly(conn, 5)));
    await send(conn, NO_CONTENT);
  });
  using conn = await it.dial();
  await send(conn, byAddress(head));
  assert.equal(await readUntil(conn, "\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  await send(conn, "hello");
  assert.equal(await readUntil(conn, "\r\n\r\n"), NO_CONTENT);
  assert.deepEqual(seen, [byName(head), "hello"]);
});

Deno.test("Host rewriting ends after a CONNECT that the server accepts with 2xx", async () => {
  const connect = "CONNECT far:443 HTTP/1.1\r\nHost: ~\r\n\r\n";
  const then = "GET / HTTP/1.1\r\nHost: ~\r\n\r\n";
  for (const answer of ["200 Connection established", "403 Forbidden"]) {
    const seen: string[] = [];
    await using it = start(async (conn) => {
      await send(conn, WELCOME);
      seen.push(await readUntil(conn, "\r\n\r\n"));
      await send(conn, `HTTP/1.1 ${answer}\r\n\r\n`);
      seen.push(text(await readAll(conn)));
    });
    await it.ask(byAddress(connect + then));
    const isTunnel = answer.startsWith("200");
    assert.deepEqual(seen, [byName(connect), isTunnel ? byAddress(then) : byName(then)], answer);
  }
});

/** Serves the connection with a real HTTP server. */
function serveWith(port: number): Behaviour {
  return async (conn) => {
    await send(conn, WELCOME);
    using server = await Deno.connect({ hostname: "127.0.0.1", port });
    await Promise.all([copyStream(conn, server), copyStream(server, conn)]);
  };
}

Deno.test("Host rewriting works with a real client and server: keep-alive, bodies and WebSocket", async () => {
  const hosts: string[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    hosts.push(`${request.headers.get("host")} ${new URL(request.url).host}`);
    if (request.headers.get("upgrade") !== "websocket") return new Response(await request.bytes());
    const { socket, response } = Deno.upgradeWebSocket(request);
    socket.onmessage = ({ data }) => socket.send(`echo ${data}`);
    return response;
  });
  await using it = start(serveWith(server.addr.port));
  const url = `127.0.0.1:${it.port}/`;
  const client = Deno.createHttpClient({});
  const body = Uint8Array.from(pattern(1 << 20));
  for (const make of [() => body, () => ReadableStream.from([body.slice(0, 100), body.slice(100)])]) {
    const response = await fetch(`http://${url}`, { method: "POST", body: make(), client });
    assert.deepEqual(await response.bytes(), body);
  }
  client.close();
  const socket = new WebSocket(`ws://${url}`);
  const messages: string[] = [];
  const closed = Promise.withResolvers<void>();
  socket.onopen = () => socket.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  socket.onmessage = ({ data }) => {
    messages.push(data);
    if (messages.length < 3) socket.send(`${messages.length} ${"x".repeat(70_000)}`);
    else socket.close();
  };
  socket.onclose = () => closed.resolve();
  await closed.promise;
  assert.deepEqual(messages.map((message) => message.slice(0, 8)), ["echo GET", "echo 1 x", "echo 2 x"]);
  assert.deepEqual(hosts, Array(3).fill("api.myapp:8080 api.myapp:8080"));
  await server.shutdown();
});

const EVIL = "GET /evil HTTP/1.1\r\nHost: evil\r\n\r\n";

Deno.test("Host rewriting does not touch a request inside a body", async () => {
  const bodies = [
    `POST / HTTP/1.1\r\nHost: ~\r\nContent-Length: ${EVIL.length}\r\n\r\n${EVIL}`,
    `POST / HTTP/1.1\r\nHost: ~\r\nTransfer-Encoding: chunked\r\n\r\n${
      EVIL.length.toString(16)
    };x="y"\r\n${EVIL}\r\n0\r\n\r\n`,
  ];
  for (const request of bodies) {
    const { seen } = await exchange(byAddress(request));
    assert.deepEqual(seen, [byName(request)]);
  }
});

Deno.test("Host rewriting removes h2c, and serves HTTP/1.1", async () => {
  const h2c = "GET / HTTP/1.1\r\nHost: ~\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
  const { seen } = await exchange(byAddress(h2c + h2c));
  assert.deepEqual(seen, [byName(h2c + h2c).replaceAll("Upgrade: h2c\r\n", "")]);
});

// nginx passes cookies of 60 KiB on, if large_client_header_buffers lets it, and storage clients
// sign each chunk in an extension of less than 100 bytes.
Deno.test("a listener of one endpoint takes large heads, but no large chunk lines and trailers (R86)", async () => {
  const large = (size: number): string => `Cookie: ${"c".repeat(size)}\r\n`;
  const chunks = (extension: number, trailer: number): string =>
    `2;${"e".repeat(extension)}\r\nhi\r\n0\r\nX: ${"t".repeat(trailer)}\r\n\r\n`;
  const LISTENERS = [
    { routes: [route("http://api.myapp:8080")], hosts: ["api.myapp:8080", "127.0.0.1:8080"] },
    { routes: [route("http://api.myapp:8080", { listenInterface: "0.0.0.0" })], hosts: ["api.myapp:8080"] },
    { routes: [route("http://*.myapp:8080")], hosts: ["api.myapp:8080"] },
  ];
  const seen: string[] = [];
  for (const { routes, hosts } of LISTENERS) {
    await using it = startForwarder(routes, { behave: collect(seen) });
    for (const host of hosts) {
      const requests = (host: string): string =>
        `GET / HTTP/1.1\r\nHost: ${host}\r\n${large(100_000)}\r\n` +
        `GET / HTTP/1.1\r\nHost: ${host}\r\n${"X: y\r\n".repeat(1000)}${large(70_000)}\r\n` +
        `POST / HTTP/1.1\r\nHost: ${host}\r\nTransfer-Encoding: chunked\r\n\r\n${chunks(1000, 16_000)}`;
      assert.doesNotMatch(await it.ask(requests(host)), / 4\d\d /);
      assert.equal(seen.splice(0).join(""), requests("api.myapp:8080"));
    }
  }
  await using it = startForwarder([route("http://api.myapp:8080")], { behave: collect(seen) });
  const tooLarge = `GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n${large(140_000)}\r\n`;
  const later = get("127.0.0.1:8080") + tooLarge;
  assert.match(await it.ask(later), /HTTP\/1\.1 431 [^]*larger than 128 KiB \(131072 bytes\)/);
  const chunked = "POST / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const body of [chunks(1100, 10), chunks(10, 17_000)]) {
    await it.ask(chunked + body);
    const passed = chunked.replace("127.0.0.1", "api.myapp") + body;
    assert.notEqual(seen.splice(1).join(""), passed, "the body is cut off");
  }
});
