import assert from "node:assert/strict";
import { ApiError } from "../../src/model/errors.ts";
import { type HttpRequest, sendHttp } from "../../src/system/http.ts";

function request(fields: Partial<HttpRequest> & { url: string }): HttpRequest {
  return { method: "GET", headers: {}, timeoutMs: 5000, maxBodyBytes: 1000, ...fields };
}

function fails(code: string, status: number, text: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof ApiError, String(error));
    assert.deepEqual([error.code, error.status], [code, status], error.message);
    assert.match(error.message, text);
    return true;
  };
}

/** An HTTP server for the length of a test. */
async function withServer(
  handler: (request: Request) => Response | Promise<Response>,
  test: (url: string) => Promise<void>,
): Promise<void> {
  const server = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    onListen: () => {},
    onError: () => new Response(null, { status: 500 }),
  }, handler);
  try {
    await test(`http://127.0.0.1:${server.addr.port}`);
  } finally {
    await server.shutdown();
  }
}

/** A raw TCP server for one connection. */
async function withRawServer(answer: string, test: (url: string) => Promise<void>): Promise<void> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const served = (async () => {
    using conn = await listener.accept();
    await conn.read(new Uint8Array(4096));
    await conn.write(new TextEncoder().encode(answer));
    await conn.read(new Uint8Array(1)).catch(() => {});
  })();
  await test(`http://127.0.0.1:${listener.addr.port}`);
  await served;
}

Deno.test("sendHttp() sends method, headers and body, and gives status, headers and body", () =>
  withServer(
    async (incoming) =>
      new Response(`${incoming.method} ${incoming.headers.get("x-a")} ${await incoming.text()} é`, {
        status: 201,
        headers: { "x-b": "2" },
      }),
    async (url) => {
      const response = await sendHttp(
        request({ url, method: "POST", headers: { "x-a": "1" }, body: "body" }),
      );
      assert.deepEqual([response.status, response.headers.get("x-b"), response.body], [
        201,
        "2",
        "POST 1 body é",
      ]);
    },
  ));

Deno.test("sendHttp() sends neither body nor Content-Type if there is none, and takes an answer without one", () =>
  withServer(
    async (incoming) =>
      new Response(null, {
        status: await incoming.text() === "" && !incoming.headers.has("content-type") ? 204 : 400,
      }),
    async (url) => {
      for (const method of ["GET", "DELETE"] as const) {
        const response = await sendHttp(request({ url, method }));
        assert.deepEqual([response.status, response.body], [204, ""]);
      }
    },
  ));

Deno.test("sendHttp() gives errors of the server as answers", () =>
  withServer(() => new Response("no", { status: 500 }), async (url) => {
    assert.deepEqual((await sendHttp(request({ url }))).status, 500);
  }));

Deno.test("sendHttp() gives a redirect back and follows it nowhere: the key goes to nobody else (F41)", async () => {
  let stolen = 0;
  await withServer(() => new Response(`${++stolen}`), async (other) => {
    for (const status of [301, 302, 303, 307, 308]) {
      await withServer(() => new Response(null, { status, headers: { location: other } }), async (url) => {
        const response = await sendHttp(request({ url, headers: { authorization: "Bearer x" } }));
        assert.deepEqual([response.status, response.headers.get("location")], [status, other]);
      });
    }
  });
  assert.equal(stolen, 0);
});

Deno.test("sendHttp() takes a body of just the limit, and not one byte more (F38)", async () => {
  await withServer(() => new Response("x".repeat(1000)), async (url) => {
    assert.equal((await sendHttp(request({ url }))).body.length, 1000);
    await assert.rejects(
      sendHttp(request({ url, maxBodyBytes: 999 })),
      fails("too_large", 200, /larger than 999 bytes$/),
    );
  });
});

Deno.test("sendHttp() stops reading a body that never ends, or that unpacks without end (F38)", async () => {
  const endless = () =>
    new Response(new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(65_536)) }));
  await withServer(endless, async (url) => {
    await assert.rejects(
      sendHttp(request({ url, maxBodyBytes: 1_000_000 })),
      fails("too_large", 200, /larger/),
    );
  });
  const zeros = new Response(new Uint8Array(50_000_000)).body!.pipeThrough(new CompressionStream("gzip"));
  const bomb = await new Response(zeros).arrayBuffer();
  assert.ok(bomb.byteLength < 100_000);
  await withServer(() => new Response(bomb, { headers: { "content-encoding": "gzip" } }), async (url) => {
    await assert.rejects(
      sendHttp(request({ url, maxBodyBytes: 1_000_000 })),
      fails("too_large", 200, /larger/),
    );
  });
});

Deno.test("sendHttp() gives up in time on a server that says nothing, and on one that stops in the middle of the body (F38)", async () => {
  await withRawServer("", async (url) => {
    await assert.rejects(
      sendHttp(request({ url, timeoutMs: 50 })),
      fails("timeout", 0, /no response within 0\.05 s$/),
    );
  });
  await withRawServer("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", async (url) => {
    await assert.rejects(
      sendHttp(request({ url, timeoutMs: 50 })),
      fails("timeout", 200, /no response within 0\.05 s$/),
    );
  });
});

Deno.test("sendHttp() calls nobody there, garbage and an answer that is cut off unreachable, in words that help (F35)", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  await assert.rejects(
    sendHttp(request({ url: `http://127.0.0.1:${port}` })),
    fails("unreachable", 0, /^Cannot reach http:\/\/127\.0\.0\.1:\d+: .*refused/i),
  );
  await assert.rejects(
    sendHttp(request({ url: "http://no-such-host.invalid/x" })),
    fails("unreachable", 0, /^Cannot reach http:\/\/no-such-host\.invalid: /),
  );
  await withServer(() => new Response("x"), async (url) => {
    await assert.rejects(
      sendHttp(request({ url: url.replace("http:", "https:") })),
      fails("unreachable", 0, /^Cannot reach https:/),
    );
  });
});

Deno.test("sendHttp() throws the signal's reason when it aborts before, while it waits and in the middle of the body", async () => {
  class Stop extends Error {}
  await assert.rejects(
    sendHttp(request({ url: "http://127.0.0.1:9", signal: AbortSignal.abort(new Stop()) })),
    Stop,
  );
  for (const answer of ["", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"]) {
    const stop = new AbortController();
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const served = (async () => {
      using conn = await listener.accept();
      await conn.read(new Uint8Array(4096));
      await conn.write(new TextEncoder().encode(answer));
      stop.abort(new Stop());
      await conn.read(new Uint8Array(1)).catch(() => {});
    })();
    await assert.rejects(
      sendHttp(request({ url: `http://127.0.0.1:${listener.addr.port}`, signal: stop.signal })),
      Stop,
    );
    await served;
  }
});

Deno.test("sendHttp() shows no header in its error when one cannot be sent (the API key stood in it)", async () => {
  for (const value of ["Bearer top-secret\nx", "Bearer top-secret\0", "Bearer top-secrét名"]) {
    await assert.rejects(
      sendHttp(request({ url: "http://127.0.0.1:9/", headers: { Authorization: value } })),
      (error) => {
        assert.equal(Deno.inspect(error).includes("top-secr"), false);
        return fails(
          "malformed",
          0,
          /^Cannot send a request to http:\/\/127\.0\.0\.1:9: a header holds a character that is not allowed$/,
        )(error);
      },
    );
  }
});
