import assert from "node:assert/strict";
import { freePort } from "../../../sim/daemon_harness.ts";
import type { Proxy } from "../../../src/model/proxy.ts";
import { type HttpRequest, sendHttp } from "../../../src/system/http.ts";
import { connectProxy } from "../../fakes/connect_proxy.ts";
import { runModule } from "../../fakes/run_module.ts";
import { socksProxy } from "../../fakes/socks_proxy.ts";
import { TestCa } from "../../fakes/test_ca.ts";
import { tlsFront } from "../../fakes/tls_front.ts";
import {
  connectFailures,
  failureOf,
  KEY,
  proxyAt,
  type ProxyFailure,
  SECRET,
  timeoutFor,
} from "./proxy_failures.ts";

const CREDENTIALS = { username: "user", password: SECRET };

function requestBy(proxy: Proxy, timeoutMs = 5000): HttpRequest {
  const headers = { Authorization: `Bearer ${KEY}` };
  return { method: "GET", url: "https://api.example/x", headers, timeoutMs, maxBodyBytes: 1000, proxy };
}

/** The failure of a request through a proxy with a user name and a password. */
function sendFailure(port: number, fields: Partial<Proxy> = {}, mode?: string): Promise<ProxyFailure> {
  const proxy = proxyAt(port, { ...CREDENTIALS, ...fields });
  return failureOf(sendHttp(requestBy(proxy, timeoutFor(mode))));
}

for (const [mode, code, state, hint] of connectFailures("api.example")) {
  Deno.test(`sendHttp() reports the failure of a proxy: ${mode}`, async () => {
    await using proxy = connectProxy();
    proxy.mode = mode;
    const failure = await sendFailure(proxy.port, {}, mode);
    assert.deepEqual([failure.code, failure.state], [code, state]);
    assert.match(failure.hint, hint);
  });
}

Deno.test("sendHttp() reports a proxy that refuses connections or credentials, or has an unknown name", async () => {
  await using proxy = connectProxy();
  proxy.credentials = "user:other";
  assert.deepEqual(await sendFailure(proxy.port), {
    code: "proxy",
    state: "it refused the user name or password (407)",
    hint: "Correct them in HTTPS_PROXY; write special characters percent-encoded, such as %40",
  });
  assert.deepEqual(await sendFailure(proxy.port, { username: "", password: "" }), {
    code: "proxy",
    state: "it demands a user name and password (407)",
    hint: "Write them in HTTPS_PROXY: http://user:password@host:port",
  });
  assert.equal((await sendFailure(freePort())).state, "connection refused");
  const { state } = await sendFailure(9, { hostname: "nowhere.invalid" });
  assert.equal(state, 'the name "nowhere.invalid" does not resolve');
});

Deno.test("sendHttp() reports the failure of a SOCKS5 proxy", async () => {
  await using proxy = socksProxy();
  proxy.mode = 5;
  const state = async () => (await sendFailure(proxy.port, { scheme: "socks5" })).state;
  assert.equal(await state(), "it cannot reach api.example:443 (connection refused)");
  proxy.credentials = "user:other";
  assert.equal(await state(), "it refused the user name or password (socks5)");
});

Deno.test("sendHttp() reports an https proxy without TLS, or with an untrusted certificate", async () => {
  const fields = { scheme: "https", hostname: "localhost" } as const;
  await using plain = socksProxy();
  plain.mode = "garbage";
  const withoutTls = await sendFailure(plain.port, fields);
  assert.match(withoutTls.state, /^it does not speak TLS \(.*corrupt message.*\)$/);
  assert.match(withoutTls.hint, /^Write http:/);
  await using proxy = connectProxy();
  await using front = tlsFront(proxy.port, await (await TestCa.create()).pair());
  const untrusted = await sendFailure(front.port, fields);
  assert.match(untrusted.state, /^its certificate was refused \(.*UnknownIssuer.*\)$/);
  assert.match(untrusted.hint, /DENO_CERT/);
  assert.deepEqual(proxy.heads, []);
});

Deno.test("sendHttp() names the flag for a proxy outside the permission set", async () => {
  const code = `import { sendHttp } from "../../src/system/http.ts";
    await sendHttp(${JSON.stringify(requestBy(proxyAt(3128, { hostname: "proxy.example" })))})
      .catch(({ message, code, hint }) => console.log([message, code, hint].join("\\n")));`;
  const { stdout, stderr } = await runModule(code, { permissions: ["--allow-net=api.example:443"] });
  assert.deepEqual(stdout.split("\n"), [
    "Cannot connect to api.example:443 through the proxy http://proxy.example:3128: " +
    'the permission set does not include "proxy.example:3128"',
    "proxy",
    "Start ngrokd by its launcher, which adds --allow-net=proxy.example:3128: ngrokd launch",
    "",
  ], stderr);
});

Deno.test("sendHttp() does not use a proxy of the environment after takeEnvironment()", async () => {
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
  const port = freePort();
  const urls = [`https://127.0.0.1:${port}`, `https://localhost:${port}`, `http://127.0.0.1:${port}`];
  const variables = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
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
        env: Object.fromEntries([...variables, "HTTP_PROXY"].map((name) => [name, proxy])),
      },
    );
  const { stdout } = await run(variables);
  assert.equal(stdout.match(/^Cannot reach .*refused/gm)?.length, urls.length, stdout);
  assert.equal(bytes, 0);
  // Otherwise Deno would use the proxy.
  await run([]);
  assert.notEqual(bytes, 0);
  listener.close();
  await accepting;
});
