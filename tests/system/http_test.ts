import assert from "node:assert/strict";
import { ApiError } from "../../src/model/errors.ts";
import { freePort } from "../../sim/daemon_harness.ts";
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

/** Runs an HTTP server during a test. */
async function withServer(
  handler: (request: Request) => Response | Promise<Response>,
  test: (url: string) => Promise<void>,
): Promise<void> {
  const onError = () => new Response(null, { status: 500 });
  const options = { hostname: "127.0.0.1", port: 0, onListen: () => {}, onError };
  const server = Deno.serve(options, handler);
  try {
    await test(`http://127.0.0.1:${server.addr.port}`);
  } finally {
    await server.shutdown();
  }
}

/** Runs a TCP server that sends this text to its only client during a test. */
async function withRawServer(
  answer: string,
  test: (url: string) => Promise<void>,
  onSent = () => {},
): Promise<void> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const served = (async () => {
    using conn = await listener.accept();
    await conn.read(new Uint8Array(4096));
    await conn.write(new TextEncoder().encode(answer));
    onSent();
    await conn.read(new Uint8Array(1)).catch(() => {});
  })();
  await test(`http://127.0.0.1:${listener.addr.port}`);
  await served;
}

const HALF = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf";

Deno.test("sendHttp() sends method, headers and body, and returns status, headers and body", () =>
  withServer(
    async (incoming) =>
      new Response(`${incoming.method} ${incoming.headers.get("x-a")} ${await incoming.text()} é`, {
        status: 201,
        headers: { "x-b": "2" },
      }),
    async (url) => {
      const sent = { url, method: "POST", headers: { "x-a": "1" }, body: "body" } as const;
      const { status, headers, body } = await sendHttp(request(sent));
      assert.deepEqual([status, headers.get("x-b"), body], [201, "2", "POST 1 body é"]);
    },
  ));

Deno.test("sendHttp() sends no Content-Type without a body, and accepts an empty answer", () =>
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

Deno.test("sendHttp() returns an error of the server as an answer", () =>
  withServer(() => new Response("no", { status: 500 }), async (url) => {
    assert.equal((await sendHttp(request({ url }))).status, 500);
  }));

Deno.test("sendHttp() returns a redirect and does not follow it, so no other host gets the key (F41)", async () => {
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

Deno.test("sendHttp() accepts a body up to the limit, and rejects a longer one (F38)", async () => {
  await withServer(() => new Response("x".repeat(1000)), async (url) => {
    assert.equal((await sendHttp(request({ url }))).body.length, 1000);
    await assert.rejects(
      sendHttp(request({ url, maxBodyBytes: 999 })),
      fails("too_large", 200, /larger than 999 bytes$/),
    );
  });
});

Deno.test("sendHttp() stops reading an endless body, also a compressed one (F38)", async () => {
  const endless = () =>
    new Response(new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(65_536)) }));
  const zeros = new Response(new Uint8Array(50_000_000)).body!.pipeThrough(new CompressionStream("gzip"));
  const bomb = await new Response(zeros).arrayBuffer();
  assert.ok(bomb.byteLength < 100_000);
  const compressed = () => new Response(bomb, { headers: { "content-encoding": "gzip" } });
  for (const handler of [endless, compressed]) {
    await withServer(handler, async (url) => {
      const sent = sendHttp(request({ url, maxBodyBytes: 1_000_000 }));
      await assert.rejects(sent, fails("too_large", 200, /larger/));
    });
  }
});

Deno.test("sendHttp() ends in time if the server stays silent or stops in the body (F38)", async () => {
  for (const [answer, status] of [["", 0], [HALF, 200]] as const) {
    await withRawServer(answer, async (url) => {
      const sent = sendHttp(request({ url, timeoutMs: 500 }));
      await assert.rejects(sent, fails("timeout", status, /no response within 0\.5 s$/));
    });
  }
});

Deno.test("sendHttp() reports a closed port, an unknown name and garbage as unreachable (F35)", async () => {
  await withServer(() => new Response("x"), async (url) => {
    for (
      const [unreachable, text] of [
        [`http://127.0.0.1:${freePort()}`, /^Cannot reach http:\/\/127\.0\.0\.1:\d+: .*refused/i],
        ["http://no-such-host.invalid/x", /^Cannot reach http:\/\/no-such-host\.invalid: /],
        // The answer to the TLS handshake is HTTP.
        [url.replace("http:", "https:"), /^Cannot reach https:/],
      ] as const
    ) await assert.rejects(sendHttp(request({ url: unreachable })), fails("unreachable", 0, text));
  });
});

Deno.test("sendHttp() throws the signal's reason before the request and during the answer", async () => {
  class Stop extends Error {}
  const aborted = AbortSignal.abort(new Stop());
  await assert.rejects(sendHttp(request({ url: "http://127.0.0.1:9", signal: aborted })), Stop);
  for (const answer of ["", HALF]) {
    const stop = new AbortController();
    await withRawServer(
      answer,
      (url) => assert.rejects(sendHttp(request({ url, signal: stop.signal })), Stop),
      () => stop.abort(new Stop()),
    );
  }
});

// The error once showed the API key.
Deno.test("sendHttp() shows no header in the error if one cannot be sent", async () => {
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
