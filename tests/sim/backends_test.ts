import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { type AddressInfo, createServer } from "node:net";
import { Duplex } from "node:stream";
import { connect } from "node:tls";
import { SimulatedCloud } from "../../sim/cloud/cloud.ts";
import { type RawOperator, type RawStream, register, upgrade } from "./raw_client.ts";
import { seededBytes } from "../../sim/cloud/seeded_random.ts";
import type { EndpointOptions } from "../../sim/cloud/state/endpoints.ts";

interface Scene {
  cloud: SimulatedCloud;
  operator: RawOperator;
  id: string;
}

async function withEndpoint(
  options: EndpointOptions,
  test: (stream: RawStream, scene: Scene) => Promise<void>,
): Promise<void> {
  await using cloud = await SimulatedCloud.start();
  const { id } = cloud.addEndpoint(options);
  const operator = await register(cloud);
  const { hostname, port } = new URL(options.url.replace(/^\w+/, "ftp"));
  const place = { host: hostname, port: Number(port || 80) };
  await using stream = await upgrade(cloud, operator, place);
  assert.equal(stream.response.endpointId, id);
  await test(stream, { cloud, operator, id });
}

function sha256(...pieces: (string | Uint8Array)[]): string {
  const hash = createHash("sha256");
  for (const piece of pieces) hash.update(piece);
  return hash.digest("hex");
}

/** Bodies of keep-alive answers, parsed. */
function jsonBodies(text: string): Record<string, unknown>[] {
  return text.split(/HTTP\/1\.1 200 OK\r\n/).slice(1).map((answer) =>
    JSON.parse(answer.split("\r\n\r\n")[1] ?? "")
  );
}

Deno.test("http answers requests on one connection, with and without bodies, sized and chunked", () =>
  withEndpoint({ url: "http://api.myapp:8080", backend: "http" }, async (stream, { cloud, id }) => {
    await stream.write(
      "GET /a?nonce=1 HTTP/1.1\r\nHost: api.myapp:8080\r\n\r\n" +
        "POST /b HTTP/1.1\r\nhost: API.myapp\r\nX-Nonce: 2\r\nContent-Length: 5\r\n\r\nhello" +
        "PUT /c HTTP/1.1\r\nHost: api.myapp\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n" +
        "3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
    );
    const bodies = jsonBodies(await stream.readAll());
    assert.deepEqual(
      bodies.map((
        body,
      ) => [
        body["endpoint_id"],
        body["method"],
        body["path"],
        body["host"],
        body["nonce"],
        body["body_sha256"],
      ]),
      [
        [id, "GET", "/a?nonce=1", "api.myapp:8080", "1", sha256("")],
        [id, "POST", "/b", "API.myapp", "2", sha256("hello")],
        [id, "PUT", "/c", "api.myapp", null, sha256("abcde")],
      ],
    );
    assert.deepEqual(cloud.backendRequests()[1], {
      endpointId: id,
      method: "POST",
      target: "/b",
      host: "API.myapp",
      headers: [["host", "API.myapp"], ["X-Nonce", "2"], ["Content-Length", "5"]],
      bodyBytes: 5,
      bodySha256: sha256("hello"),
    });
  }));

Deno.test("http refuses another Host with an error page, unless the switch says otherwise", async () => {
  for (const [checkHost, status] of [[true, 404], [false, 200]] as const) {
    await withEndpoint(
      { url: "http://api.myapp:8080", backend: "http" },
      async (_stream, { cloud, operator }) => {
        cloud.switches.checkHost = checkHost;
        await using stream = await upgrade(cloud, operator, { host: "api.myapp", port: 8080 });
        await stream.write("GET / HTTP/1.0\r\nHost: 127.0.0.1:8080\r\n\r\n");
        assert.match(await stream.readAll(), new RegExp(`^HTTP/1.1 ${status} `));
        assert.equal(cloud.backendRequests()[0]?.host, "127.0.0.1:8080");
      },
    );
  }
});

Deno.test("http answers 100 Continue to a client that waits for it", () =>
  withEndpoint({ url: "http://api.myapp:8080", backend: "http" }, async (stream) => {
    await stream.write(
      "POST / HTTP/1.1\r\nHost: api.myapp\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n",
    );
    const buffer = new Uint8Array(100);
    const count = await stream.conn.read(buffer) ?? 0;
    assert.equal(new TextDecoder().decode(buffer.subarray(0, count)), "HTTP/1.1 100 Continue\r\n\r\n");
    await stream.write("ok");
    assert.equal(jsonBodies(await stream.readAll())[0]?.["body_sha256"], sha256("ok"));
  }));

for (
  const [name, request, expected] of [
    [
      "a WebSocket",
      "GET /ws HTTP/1.1\r\nHost: api.myapp\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
      /^HTTP\/1\.1 101 Switching Protocols\r\n[^]*Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r\n\r\nraw bytes$/,
    ],
    [
      "CONNECT",
      "CONNECT api.myapp:443 HTTP/1.1\r\nHost: api.myapp:443\r\n\r\n",
      /^HTTP\/1\.1 200 [^\r]+\r\n\r\nraw bytes$/,
    ],
  ] as const
) {
  Deno.test(`http accepts ${name} and echoes what follows`, () =>
    withEndpoint({ url: "http://api.myapp:8080", backend: "http" }, async (stream) => {
      await stream.write(`${request}raw bytes`);
      await stream.conn.closeWrite();
      assert.match(await stream.readAll(), expected);
    }));
}

Deno.test("http answers 400 to other bytes", async () => {
  const requests = [
    "nonsense\r\n\r\n",
    "GET / HTTP/1.1\r\nno colon\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
  ];
  await Promise.all(
    requests.map((request) =>
      withEndpoint({ url: "http://api.myapp:8080", backend: "http" }, async (stream) => {
        await stream.write(request);
        assert.match(await stream.readAll(), /^HTTP\/1\.1 400 /, request);
      })
    ),
  );
});

Deno.test("http resets a stream whose body is cut or badly chunked", async () => {
  for (const framing of ["Content-Length: 10\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\nzz\r\n"]) {
    await withEndpoint({ url: "http://api.myapp:8080", backend: "http" }, async (stream) => {
      await stream.write(`POST / HTTP/1.1\r\nHost: api.myapp\r\n${framing}`);
      await stream.conn.closeWrite();
      await assert.rejects(stream.readAll());
    });
  }
});

Deno.test("an http pool is balanced per request, or per connection if the switch says so", async () => {
  for (const poolPerRequest of [true, false]) {
    await using cloud = await SimulatedCloud.start({ switches: { poolPerRequest } });
    const ids = [1, 2].map(() =>
      cloud.addEndpoint({ url: "http://pool.myapp", backend: "http", pooling: true }).id
    );
    const operator = await register(cloud);
    await using stream = await upgrade(cloud, operator, { host: "pool.myapp", port: 80 });
    await stream.write("GET / HTTP/1.1\r\nHost: pool.myapp\r\n\r\n".repeat(3));
    await stream.conn.closeWrite();
    const seen = jsonBodies(await stream.readAll()).map((body) => body["endpoint_id"]);
    assert.deepEqual(seen, poolPerRequest ? [ids[0], ids[1], ids[0]] : [ids[0], ids[0], ids[0]]);
  }
});

Deno.test("tls terminates TLS with a certificate for the requested name", async () => {
  await using cloud = await SimulatedCloud.start();
  const { id } = cloud.addEndpoint({ url: "tls://*.example.com", backend: "tls" });
  const operator = await register(cloud);
  await using stream = await upgrade(cloud, operator, { host: "shop.example.com", port: 443 });
  const duplex = Duplex.fromWeb({ readable: stream.conn.readable, writable: stream.conn.writable } as never);
  const inner = connect({ socket: duplex as never, servername: "shop.example.com", ca: cloud.caPem });
  inner.write("GET /?nonce=9 HTTP/1.1\r\nHost: shop.example.com\r\nConnection: close\r\n\r\n");
  let text = "";
  for await (const chunk of inner) text += chunk;
  assert.deepEqual([jsonBodies(text)[0]?.["endpoint_id"], jsonBodies(text)[0]?.["nonce"]], [id, "9"]);
});

Deno.test("tcp speaks first and echoes lines", () =>
  withEndpoint({ url: "tcp://db.myapp:5432", backend: "tcp" }, async (stream, { id }) => {
    await stream.write("one\nt\xffo\r\nunfinished");
    await stream.conn.closeWrite();
    assert.equal(await stream.readAll(), `220 ${id}\r\none\nt\xc3\xbfo\r\n`);
  }));

Deno.test("echo, sink and source carry megabytes exactly", async () => {
  const blocks = [...seededBytes(5_000_001, 42)];
  const hash = sha256(...blocks);
  const upload = async (stream: RawStream) => {
    for (const block of blocks) await stream.write(block);
    await stream.conn.closeWrite();
  };
  await withEndpoint({ url: "tcp://a.myapp:1", backend: "echo" }, async (stream) => {
    const [text] = await Promise.all([stream.readAll(), upload(stream)]);
    assert.equal(createHash("sha256").update(text, "latin1").digest("hex"), hash);
  });
  // The backend must wait while the client does not read, and then deliver everything.
  await withEndpoint({ url: "tcp://a.myapp:1", backend: "echo" }, async (stream) => {
    const big = [...seededBytes(16 * 1024 * 1024, 43)];
    let sent = 0;
    const sending = (async () => {
      for (const block of big) {
        await stream.write(block);
        sent += block.length;
      }
      await stream.conn.closeWrite();
    })();
    for (let before = -1; before !== sent;) {
      before = sent;
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
    const [text] = await Promise.all([stream.readAll(), sending]);
    assert.equal(createHash("sha256").update(text, "latin1").digest("hex"), sha256(...big));
  });
  await withEndpoint({ url: "tcp://a.myapp:1", backend: "sink" }, async (stream) => {
    await upload(stream);
    assert.equal(await stream.readAll(), `${hash} 5000001\n`);
  });
  await withEndpoint({ url: "tcp://a.myapp:1", backend: { sink: 3 } }, async (stream) => {
    await stream.write("abcdef");
    assert.equal(await stream.readAll(), `${sha256("abc")} 3\n`);
  });
  await withEndpoint({ url: "tcp://a.myapp:1", backend: { source: 5_000_001, seed: 42 } }, async (stream) => {
    assert.equal(createHash("sha256").update(await stream.readAll(), "latin1").digest("hex"), hash);
  });
});

Deno.test("forward reaches a server, passes half-closes on, and resets without a server", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  const server = (async () => {
    using conn = await listener.accept();
    const text = await new Response(
      new ReadableStream({
        async pull(controller) {
          const buffer = new Uint8Array(1000);
          const count = await conn.read(buffer);
          if (count === null) controller.close();
          else controller.enqueue(buffer.subarray(0, count));
        },
      }),
    ).text();
    await conn.write(new TextEncoder().encode(`got ${text}`));
  })();
  await withEndpoint(
    { url: "tcp://a.myapp:1", backend: { forward: `127.0.0.1:${port}` } },
    async (stream) => {
      await stream.write("hello");
      await stream.conn.closeWrite();
      assert.equal(await stream.readAll(), "got hello");
      await server;
    },
  );
  listener.close();
  await withEndpoint(
    { url: "tcp://a.myapp:1", backend: { forward: `127.0.0.1:${port}` } },
    async (stream) => {
      await assert.rejects(stream.readAll());
    },
  );
});

Deno.test("forward passes a reset on", async () => {
  const server = createServer((socket) => socket.once("data", () => socket.resetAndDestroy()));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const forward = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  await withEndpoint({ url: "tcp://a.myapp:1", backend: { forward } }, async (stream) => {
    await stream.write("hello");
    await assert.rejects(stream.readAll(), Deno.errors.ConnectionReset);
  });
  await new Promise((resolve) => server.close(resolve));
});

Deno.test("reset resets at the first byte, and a new stream uses a changed backend", () =>
  withEndpoint({ url: "tcp://a.myapp:1", backend: "reset" }, async (stream, { cloud, operator, id }) => {
    await stream.write("x");
    await assert.rejects(stream.readAll(), Deno.errors.ConnectionReset);
    cloud.setBackend(id, "echo");
    await using second = await upgrade(cloud, operator, { host: "a.myapp", port: 1 });
    await second.write("x");
    await second.conn.closeWrite();
    assert.equal(await second.readAll(), "x");
    assert.throws(() => cloud.setBackend("ep_none", "echo"), RangeError);
    assert.equal(cloud.removeEndpoint(id), true);
    assert.equal(cloud.removeEndpoint(id), false);
  }));
