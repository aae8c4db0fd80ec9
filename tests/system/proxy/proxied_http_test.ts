import assert from "node:assert/strict";
import { ApiError } from "../../../src/model/errors.ts";
import type { Proxy } from "../../../src/model/proxy.ts";
import { type HttpRequest, sendHttp } from "../../../src/system/http.ts";
import { TestCa } from "../../fakes/test_ca.ts";
import { connectProxy, type ProxyMode } from "../../fakes/connect_proxy.ts";
import { runModule } from "../../fakes/run_module.ts";
import { socksProxy } from "../../fakes/socks_proxy.ts";
import { tlsFront } from "../../fakes/tls_front.ts";

const SECRET = "top/s3cret@";

function requestBy(fields: Partial<Proxy>, options: Partial<HttpRequest> = {}): HttpRequest {
  const proxy: Proxy = {
    scheme: "http",
    hostname: "127.0.0.1",
    port: 9,
    username: "user",
    password: SECRET,
    setting: "HTTPS_PROXY",
    ...fields,
  };
  return {
    method: "GET",
    url: "https://api.example/x",
    headers: { Authorization: "Bearer topkey" },
    timeoutMs: 5000,
    maxBodyBytes: 1000,
    proxy,
    ...options,
  };
}

/** What the user reads, after it was seen that it names the proxy and holds no secret. */
async function failureOf(request: HttpRequest): Promise<{ code: string; state: string; hint: string }> {
  const error = await sendHttp(request).then(() => undefined, (error: unknown) => error);
  assert.ok(error instanceof ApiError, String(error));
  const shown = JSON.stringify([error.message, error.hint, Deno.inspect(error)]);
  for (const secret of [SECRET, btoa(`user:${SECRET}`), "topkey"]) assert.ok(!shown.includes(secret), shown);
  const [, state] = /through the proxy [a-z0-9]+:\/\/[a-z0-9.]+:[0-9]+: (.*)$/.exec(error.message) ?? [];
  assert.ok(state !== undefined, error.message);
  return { code: error.code, state, hint: error.hint ?? "" };
}

const FAILURES: readonly (readonly [ProxyMode, code: string, state: RegExp, hint: RegExp])[] = [
  [
    "forbid",
    "proxy",
    /^it forbids connections to api\.example:443 \(403\)$/,
    /^Allow connections to api\.example/,
  ],
  [
    "bad_gateway",
    "proxy",
    /^it cannot reach api\.example:443 \(502\)$/,
    /resolves and reaches api\.example:443/,
  ],
  ["hang", "timeout", /^no response within 0\.3 s$/, /^Check HTTPS_PROXY and the proxy/],
  ["close", "proxy", /^it closed the connection$/, /^Check HTTPS_PROXY/],
  ["close_in_answer", "proxy", /^it closed the connection during its response$/, /^Check HTTPS_PROXY/],
  ["garbage", "proxy", /^its response is not HTTP$/, /^Check that HTTPS_PROXY names an HTTP proxy$/],
  ["huge_head", "proxy", /^the head of its response is larger than 16384 bytes$/, /^Check HTTPS_PROXY/],
];
for (const [mode, code, state, hint] of FAILURES) {
  Deno.test(`sendHttp() names a proxy of the environment, its state and the next step: ${mode}`, async () => {
    await using proxy = connectProxy();
    proxy.mode = mode;
    const timeoutMs = mode === "hang" ? 300 : 5000;
    const failure = await failureOf(requestBy({ port: proxy.port }, { timeoutMs }));
    assert.equal(failure.code, code);
    assert.match(failure.state, state);
    assert.match(failure.hint, hint);
  });
}

Deno.test("sendHttp() says that a proxy refuses connections, does not resolve, or wants other credentials", async () => {
  const proxy = connectProxy();
  proxy.credentials = "user:other";
  const { port } = proxy;
  assert.deepEqual(await failureOf(requestBy({ port })), {
    code: "proxy",
    state: "it refused the user name or password (407)",
    hint: "Correct them in HTTPS_PROXY; write special characters percent-encoded, such as %40",
  });
  assert.deepEqual(await failureOf(requestBy({ port, username: "", password: "" })), {
    code: "proxy",
    state: "it demands a user name and password (407)",
    hint: "Write them in HTTPS_PROXY: http://user:password@host:port",
  });
  await proxy[Symbol.asyncDispose]();
  assert.equal((await failureOf(requestBy({ port }))).state, "connection refused");
  const { state } = await failureOf(requestBy({ hostname: "nowhere.invalid" }));
  assert.equal(state, 'the name "nowhere.invalid" does not resolve');
});

Deno.test("sendHttp() says what is wrong with a SOCKS5 proxy", async () => {
  await using proxy = socksProxy();
  proxy.mode = 5;
  const fields = { scheme: "socks5", port: proxy.port } as const;
  assert.equal(
    (await failureOf(requestBy(fields))).state,
    "it cannot reach api.example:443 (connection refused)",
  );
  proxy.credentials = "user:other";
  assert.equal((await failureOf(requestBy(fields))).state, "it refused the user name or password (socks5)");
});

Deno.test("sendHttp() says that an https proxy has a certificate that is not trusted, or speaks no TLS", async () => {
  await using proxy = connectProxy();
  const fields = { scheme: "https", hostname: "localhost" } as const;
  await using clear = socksProxy();
  clear.mode = "garbage";
  const inClear = await failureOf(requestBy({ ...fields, port: clear.port }));
  assert.match(inClear.state, /^it does not speak TLS \(.*corrupt message.*\)$/);
  assert.match(inClear.hint, /^Write http:/);
  const pair = await (await TestCa.create()).pair();
  await using front = tlsFront(proxy.port, pair);
  const untrusted = await failureOf(requestBy({ ...fields, port: front.port }));
  assert.match(untrusted.state, /^its certificate was refused \(.*UnknownIssuer.*\)$/);
  assert.match(untrusted.hint, /DENO_CERT/);
  assert.deepEqual(proxy.heads, []);
});

Deno.test("sendHttp() says which flag a proxy outside the permission set takes", async () => {
  const code = `import { sendHttp } from "../../src/system/http.ts";
    await sendHttp(${JSON.stringify(requestBy({ hostname: "proxy.example", port: 3128 }))})
      .catch(({ message, code, hint }) => console.log([message, code, hint].join("\\n")));`;
  const { stdout, stderr } = await runModule(code, { permissions: ["--allow-net=api.example:443"] });
  assert.equal(
    stdout,
    [
      'Cannot connect to api.example:443 through the proxy http://proxy.example:3128: the permission set does not include "proxy.example:3128"',
      "proxy",
      "Start ngrokd with deno task launch, which adds --allow-net=proxy.example:3128",
      "",
    ].join("\n"),
    stderr,
  );
});

Deno.test("no byte goes to a proxy of the environment once its variables are taken, whatever the URL; before, one would", async () => {
  let bytes = 0;
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepting = (async () => {
    for (;;) {
      const conn = await listener.accept().catch(() => undefined);
      if (conn === undefined) return;
      bytes += await conn.read(new Uint8Array(1000)) ?? 0;
      conn.close();
    }
  })();
  const proxy = `http://127.0.0.1:${listener.addr.port}`;
  const closed = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = closed.addr;
  closed.close();
  const urls = [`https://127.0.0.1:${port}`, `https://localhost:${port}`, `http://127.0.0.1:${port}`];
  const run = (taken: readonly string[]) =>
    runModule(
      `import { sendHttp } from "../../src/system/http.ts";
      import { takeEnvironment } from "../../src/system/environment.ts";
      for (const name of ${JSON.stringify(taken)}) takeEnvironment(name);
      for (const url of ${JSON.stringify(urls)}) {
        const request = { method: "GET", url, headers: {}, timeoutMs: 5000, maxBodyBytes: 10 };
        await sendHttp(request).catch(({ message }) => console.log(message));
      }`,
      {
        permissions: ["--allow-net", "--allow-env"],
        env: {
          HTTP_PROXY: proxy,
          HTTPS_PROXY: proxy,
          https_proxy: proxy,
          ALL_PROXY: proxy,
          all_proxy: proxy,
        },
      },
    );
  const { stdout } = await run(["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]);
  assert.equal(stdout.match(/^Cannot reach .*refused/gm)?.length, urls.length, stdout);
  assert.equal(bytes, 0);
  await run([]);
  assert.notEqual(bytes, 0);
  listener.close();
  await accepting;
});
