import FakeTimers from "@sinonjs/fake-timers";
import assert from "node:assert/strict";
import fc from "fast-check";
import type { ApiClient } from "../../src/cloud/client.ts";
import { ApiError } from "../../src/model/errors.ts";
import { Attempts } from "../../src/lib/attempts.ts";
import type { HttpRequest, HttpResponse, sendHttp } from "../../src/system/http.ts";
import { presentChain } from "../fakes/chain_server.ts";
import { answering, apiClient, FakeApi, ForbiddenHost, foreignUrls, json, KEY } from "../fakes/fake_api.ts";
import { makeCert } from "../fakes/test_ca.ts";

const GET = { action: "try it" };

/** Answers `{}` and keeps the requests. */
function collecting(requests: HttpRequest[]): typeof sendHttp {
  return answering((request) => {
    requests.push(request);
    return { body: "{}" };
  });
}

async function failureOf(promise: Promise<unknown>): Promise<ApiError> {
  const error = await promise.then(
    (value) => assert.fail(`resolved with ${JSON.stringify(value)}`),
    (e: unknown) => e,
  );
  assert(error instanceof ApiError, `not an ApiError: ${error}`);
  return error;
}

/** A client that always gets this answer, without a socket. */
function clientOf(answer: Partial<HttpResponse>): ApiClient {
  return apiClient({ send: answering(() => answer) });
}

Deno.test("ApiClient sends key and version with a GET, and neither body nor Content-Type", async () => {
  await using api = new FakeApi(() => json({ ok: true }));
  assert.deepEqual(await api.client().request("GET", "/x?y=1", GET), { ok: true });
  const [seen] = api.seen;
  assert.equal(seen!.path, "/x?y=1");
  assert.equal(seen!.headers.get("Authorization"), `Bearer ${KEY}`);
  assert.equal(seen!.headers.get("Ngrok-Version"), "2");
  assert.equal(seen!.headers.get("User-Agent"), "ngrokd/test");
  assert.equal(seen!.headers.get("Content-Type"), null);
  assert.equal(seen!.body, "");
});

Deno.test("ApiClient sends a body as JSON with its Content-Type", async () => {
  await using api = new FakeApi(() => json({}, { status: 201 }));
  await api.client().request("POST", "/x", { ...GET, body: { a: 1 } });
  assert.equal(api.seen[0]!.headers.get("Content-Type"), "application/json");
  assert.equal(api.seen[0]!.body, '{"a":1}');
});

Deno.test("ApiClient puts the base URL's own path before the request's", async () => {
  await using api = new FakeApi(() => json(1));
  for (const base of [`${api.url}/prefix`, `${api.url}/prefix/`]) {
    await api.client({ baseUrl: () => base }).request("GET", "/a", GET);
  }
  assert.deepEqual(api.seen.map((request) => request.path), ["/prefix/a", "/prefix/a"]);
});

Deno.test("ApiClient reads base URL and key at each request", async () => {
  const requests: HttpRequest[] = [];
  let round = 0;
  const client = apiClient({
    baseUrl: () => `https://api${round}.example.com`,
    key: () => `key${round}`,
    send: collecting(requests),
  });
  await client.request("GET", "/a", GET);
  round = 1;
  await client.request("GET", "/a", GET);
  assert.deepEqual(requests.map((r) => r.url), ["https://api0.example.com/a", "https://api1.example.com/a"]);
  assert.deepEqual(requests.map((r) => r.headers["Authorization"]), ["Bearer key0", "Bearer key1"]);
  assert.deepEqual([requests[0]!.timeoutMs, requests[0]!.maxBodyBytes], [15_000, 4 * 1024 * 1024]);
});

Deno.test("ApiClient returns undefined for a 204 and for any DELETE", async () => {
  assert.equal(await clientOf({ status: 204 }).request("PATCH", "/x", GET), undefined);
  assert.equal(await clientOf({ status: 200, body: "" }).request("DELETE", "/x", GET), undefined);
});

for (const body of ["", "<html>hello</html>", '{"endpoints": [', "undefined"]) {
  Deno.test(`ApiClient rejects a 200 with ${JSON.stringify(body)} as malformed (F38)`, async () => {
    const error = await failureOf(clientOf({ body }).request("GET", "/x", GET));
    assert.deepEqual([error.code, error.status], ["malformed", 200]);
    assert.equal(error.message, "Cannot try it: the response of https://api.example.com is not JSON");
  });
}

Deno.test("ApiClient throws status, code and message of an error answer", async () => {
  await using api = new FakeApi(() =>
    json({ error_code: "ERR_NGROK_206", status_code: 403, msg: "an agent\ntoken" }, { status: 403 })
  );
  const error = await failureOf(api.client().request("GET", "/x", GET));
  assert.equal(
    error.message,
    `Cannot try it: ${api.url} answered 403 (ERR_NGROK_206): "an agent\\u000atoken"`,
  );
  assert.deepEqual([error.status, error.code], [403, "ERR_NGROK_206"]);
  assert.equal(error.hint, "Set another key: ngrokctl set-api-key");
});

Deno.test("ApiClient throws at least the HTTP status, whatever the error body", async () => {
  const bodies = [
    "",
    "<h1>502</h1>",
    "[]",
    "null",
    '"x"',
    '{"error_code":7,"msg":{}}',
    '{"status_code":200}',
  ];
  for (const body of bodies) {
    const error = await failureOf(clientOf({ status: 502, body }).request("GET", "/x", GET));
    assert.deepEqual([error.status, error.code], [502, ""], body);
    assert.equal(error.message, "Cannot try it: https://api.example.com answered 502");
  }
});

Deno.test("ApiClient cuts a long message after 300 characters, escapes included", async () => {
  const body = JSON.stringify({ msg: "\n".repeat(10_000) });
  const error = await failureOf(clientOf({ status: 400, body }).request("GET", "/x", GET));
  const quoted = /"(.*)"$/.exec(error.message)![1]!;
  assert.deepEqual([quoted.length, quoted.endsWith("…")], [300, true]);
});

Deno.test("ApiClient knows a not-found answer without a code by its status", async () => {
  const body = '{"status_code":404,"msg":"Resource not found","details":{"operation_id":"op_1"}}';
  const error = await failureOf(clientOf({ status: 404, body }).request("GET", "/x", GET));
  assert.deepEqual([error.status, error.code], [404, ""]);
  assert.match(error.hint!, /ngrokd registers a new one/);
});

// A gateway's JSON 404 made a second operator.
Deno.test("ApiClient tells 401, 403 and 404 of a gateway from those of the API", async () => {
  for (const status of [401, 403, 404]) {
    for (const body of ["", "<html>", '{"message":"no Route matched with those values"}', '{"msg":"x"}']) {
      const error = await failureOf(clientOf({ status, body }).request("GET", "/x", GET));
      assert.deepEqual([error.status, error.code], [status, "malformed"], body);
      assert.match(error.hint!, /api\.url/);
    }
  }
});

Deno.test("ApiClient adds a hint to each failure that a user can correct", async () => {
  const hints = await Promise.all(
    [401, 403, 429, 500, 503].map(async (status) =>
      (await failureOf(
        clientOf({ status, body: JSON.stringify({ status_code: status, msg: "x" }) }).request(
          "GET",
          "/x",
          GET,
        ),
      )).hint
    ),
  );
  assert(hints[0]!.includes("ngrokctl set-api-key") && hints[0] === hints[1]);
  assert(hints[2]!.includes("poll_interval"));
  assert(hints[3]!.includes("status.ngrok.com") && hints[3] === hints[4]);
  const body = '{"error_code":"ERR_NGROK_19003"}';
  const selectors = await failureOf(clientOf({ status: 400, body }).request("GET", "/x", GET));
  assert(selectors.hint!.includes("bound_endpoints.selectors"));
});

Deno.test("ApiClient passes a Retry-After on", async () => {
  const headers = new Headers({ "Retry-After": "7" });
  const error = await failureOf(clientOf({ status: 429, headers }).request("GET", "/x", GET));
  assert.equal(error.retryAfterMs, 7000);
  assert.equal(
    (await failureOf(clientOf({ status: 429 }).request("GET", "/x", GET))).retryAfterMs,
    undefined,
  );
});

Deno.test("ApiClient removes the key from each part of an error that quotes it", async () => {
  const secret = KEY.split("_")[1]!;
  const msg = `The header "Bearer ${KEY}" (${secret}) is not valid`;
  const bodies = [
    { error_code: "ERR_NGROK_201", msg },
    { error_code: KEY, msg: KEY },
    { error_code: secret, msg: "x".repeat(80) + KEY },
  ];
  for (const body of bodies) {
    await using api = new FakeApi(() => json(body, { status: 403 }));
    const error = await failureOf(api.client().request("GET", "/x", GET));
    assert(!`${error.stack}${JSON.stringify(error)}${Deno.inspect(error)}`.includes(secret), error.message);
  }
  for (
    const answer of [{ body: `oops ${KEY}` }, {
      status: 302,
      headers: new Headers({ Location: `https://e.com/?k=${KEY}` }),
    }]
  ) {
    const error = await failureOf(clientOf(answer).request("GET", "/x", GET));
    assert(!Deno.inspect(error).includes(secret), error.message);
  }
});

Deno.test("property: ApiClient shows the key in no error, wherever a response quotes it", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.string(),
      fc.string(),
      fc.constantFrom(302, 400, 401, 403, 500),
      async (before, after, status) => {
        const body = JSON.stringify({ error_code: before + KEY + after, msg: before + KEY + after });
        const headers = new Headers({ Location: `https://e.com/${encodeURIComponent(before)}${KEY}` });
        const error = await failureOf(clientOf({ status, body, headers }).request("GET", "/x", GET));
        assert(!Deno.inspect(error).includes(KEY.slice(-10)));
      },
    ),
    { seed: 1, numRuns: 100 },
  );
});

Deno.test("ApiClient sends nothing without a key, or with one that no header can carry", async () => {
  const codes = [["", "no_key"], ["a b", "bad_key"], ["key\n", "bad_key"], ["schlüssel", "bad_key"]] as const;
  await using api = new FakeApi(() => json({}));
  for (const [key, code] of codes) {
    const error = await failureOf(api.client({ key: () => key }).request("GET", "/x", GET));
    assert.equal(error.code, code);
    assert(error.hint!.includes("ngrokctl set-api-key"));
    assert(key === "" || !Deno.inspect(error).includes(key));
  }
  assert.equal(api.seen.length, 0);
});

Deno.test("ApiClient follows no redirect (F41)", async () => {
  await using other = new ForbiddenHost();
  for (const status of [301, 302, 303, 307, 308]) {
    await using api = new FakeApi(() =>
      new Response("", { status, headers: { Location: `${other.url}/x` } })
    );
    const error = await failureOf(api.client().request("GET", "/x", GET));
    assert.deepEqual([error.code, error.status, api.seen.length], ["redirect", status, 1]);
    assert(error.message.includes(other.url) && error.hint!.includes("api.url"));
  }
  assert.equal(other.connections, 0);
});

Deno.test("ApiClient asks no URL of another origin, nor a blob: URL of the same one (F40)", async () => {
  await using other = new ForbiddenHost();
  await using api = new FakeApi(() => json({}));
  const targets = [...foreignUrls(api.url, other), `blob:${other.url}/x`, `blob:${api.url}/y`];
  for (const target of targets) {
    const error = await failureOf(api.client().request("GET", target, GET));
    assert.equal(error.code, "foreign_page", target);
  }
  assert.equal((await failureOf(api.client().request("GET", "http://[", GET))).code, "malformed");
  assert.deepEqual([other.connections, api.seen.length], [0, 0]);
});

Deno.test("ApiClient asks URLs of the same origin in all their forms", async () => {
  await using api = new FakeApi(() => json({}));
  const host = new URL(api.url).host;
  for (
    const target of [
      `${api.url}/a?b=c`,
      `http://user:word@${host}/a?b=c`,
      `//${host}/a?b=c`,
      "/a?b=c",
      "a?b=c",
    ]
  ) {
    await api.client().request("GET", target, GET);
  }
  assert.deepEqual(new Set(api.seen.map((request) => request.path)), new Set(["/a?b=c"]));
  assert.equal(api.seen.length, 5);
});

Deno.test("ApiClient uses http for loopback hosts only", async () => {
  const requests: HttpRequest[] = [];
  const client = (url: string) => apiClient({ baseUrl: () => url, send: collecting(requests) });
  for (
    const url of [
      "http://api.ngrok.com",
      "http://10.0.0.1",
      "http://localhost.evil.com",
      "http://127.0.0.1.evil.com",
      "ftp://localhost",
    ]
  ) {
    assert.equal((await failureOf(client(url).request("GET", "/x", GET))).code, "insecure", url);
  }
  assert.equal((await failureOf(client("nonsense").request("GET", "/x", GET))).code, "malformed");
  assert.equal(requests.length, 0);
  for (const url of ["http://localhost:1", "http://127.9.8.7", "http://[::1]:5", "https://api.ngrok.com"]) {
    await client(url).request("GET", "/x", GET);
  }
  assert.equal(requests.length, 4);
});

Deno.test("ApiClient reports an unreachable API with a hint (F35)", async () => {
  const free = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const url = `http://127.0.0.1:${free.addr.port}`;
  free.close();
  const client = apiClient({ baseUrl: () => url });
  const error = await failureOf(client.request("GET", "/x", GET));
  assert.deepEqual([error.code, error.status], ["unreachable", 0]);
  assert(error.message.startsWith(`Cannot reach ${url}`) && error.hint!.includes("api.url"));
});

Deno.test("ApiClient sends nothing to an API with an untrusted certificate (F35)", async () => {
  const stranger = await makeCert({ subject: "CN=Stranger CA", isCa: true });
  await using server = await presentChain([
    await makeCert({ subject: "CN=api", issuer: stranger, names: ["localhost"] }),
    stranger,
  ]);
  const client = apiClient({ baseUrl: () => `https://localhost:${server.port}` });
  assert.equal((await failureOf(client.request("GET", "/x", GET))).code, "unreachable");
  assert.ok(server.connections() > 0);
  assert.equal(server.received(), 0);
});

Deno.test("ApiClient gives up a response of one byte each 10 s after 15 s (F38)", async () => {
  const clock = FakeTimers.install({ toFake: ["setTimeout", "clearTimeout"] });
  const bytes = Promise.withResolvers<ReadableStreamDefaultController<Uint8Array>>();
  const asked = Promise.withResolvers<void>();
  await using api = new FakeApi(() => {
    asked.resolve();
    return new Response(new ReadableStream({ start: bytes.resolve }));
  });
  try {
    let error: ApiError | undefined;
    const failing = failureOf(api.client().request("GET", "/x", GET)).then((e) => error = e);
    await asked.promise;
    const controller = await bytes.promise;
    controller.enqueue(new Uint8Array([0x7b]));
    await clock.tickAsync(10_000);
    controller.enqueue(new Uint8Array([0x22]));
    await clock.tickAsync(4999);
    assert.equal(error, undefined);
    await clock.tickAsync(1);
    await failing;
    assert.deepEqual([error!.code, error!.message], [
      "timeout",
      `Cannot get a response from ${api.url}: no response within 15 s`,
    ]);
    controller.close();
  } finally {
    clock.uninstall();
  }
});

Deno.test("ApiClient rejects a response over 4 MiB, also if it is small on the wire (F38)", async () => {
  const bomb = new Response(new Uint8Array(4 * 1024 * 1024 + 1)).body!.pipeThrough(
    new CompressionStream("gzip"),
  );
  const zipped = new Uint8Array(await new Response(bomb).arrayBuffer());
  assert(zipped.length < 100_000);
  await using api = new FakeApi(() => new Response(zipped, { headers: { "Content-Encoding": "gzip" } }));
  const error = await failureOf(api.client().request("GET", "/x", GET));
  assert.deepEqual([error.code, error.status], ["too_large", 200]);
});

Deno.test("ApiClient reports a reset in the middle of a response as unreachable (F35)", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving = (async () => {
    using conn = await listener.accept();
    await conn.read(new Uint8Array(4096));
    await conn.write(new TextEncoder().encode("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"));
  })();
  const client = apiClient({ baseUrl: () => `http://127.0.0.1:${listener.addr.port}` });
  const error = await failureOf(client.request("GET", "/x", GET));
  await serving;
  assert.equal(error.code, "unreachable");
});

Deno.test("ApiClient rejects with the reason of an abort, not with an ApiError", async () => {
  const stop = new AbortController();
  await using api = new FakeApi(() => {
    stop.abort(new RangeError("enough"));
    return new Response(new ReadableStream({ start: (c) => c.enqueue(new Uint8Array(1)) }));
  });
  await assert.rejects(api.client().request("GET", "/x", { ...GET, signal: stop.signal }), RangeError);
});

Deno.test("ApiClient repeats an interrupted request once, except a POST, which may have arrived", async () => {
  for (
    const [method, breaks, sent] of [
      ["GET", 1, 2],
      ["PATCH", 1, 2],
      ["DELETE", 1, 2],
      ["GET", 2, 2],
      ["POST", 1, 1],
    ] as const
  ) {
    const attempts = new Attempts();
    const requests: HttpRequest[] = [];
    const send = answering((request) => {
      requests.push(request);
      if (requests.length > breaks) return { body: "{}" };
      const broken = new Promise<never>((_, reject) =>
        request.signal!.addEventListener("abort", () => reject(request.signal!.reason))
      );
      attempts.cancelAll();
      return broken;
    });
    const client = apiClient({ attempts, send });
    const asked = client.request(method, "/x", GET);
    if (sent > breaks) await asked;
    else {
      const error = await failureOf(asked);
      assert.deepEqual([error.code, error.status], ["unreachable", 0]);
      assert.match(error.message, /slept or its network changed meanwhile$/);
      assert.ok(error.hint !== undefined);
    }
    assert.equal(requests.length, sent, `${method} ${breaks}`);
  }
});
