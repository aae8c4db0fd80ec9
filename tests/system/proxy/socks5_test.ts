import assert from "node:assert/strict";
import { DialError, type DialFailure } from "../../../src/model/errors.ts";
import type { Proxy } from "../../../src/model/proxy.ts";
import { readFull, writeAll } from "../../../src/system/byte_stream.ts";
import { openTunnel } from "../../../src/system/proxy/proxy_tunnel.ts";
import { type SocksMode, type SocksProxy, socksProxy } from "../../fakes/socks_proxy.ts";

const HOST = "ingress.example";
const SECRET = "s3cret/päss:@";

interface DialOptions {
  readonly fields?: Partial<Proxy>;
  readonly hostname?: string;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

function dial({ port }: SocksProxy, options: DialOptions = {}) {
  const { fields, hostname = HOST, timeoutMs = 5000, signal } = options;
  const proxy: Proxy = {
    scheme: "socks5",
    hostname: "127.0.0.1",
    port,
    username: "",
    password: "",
    setting: "ALL_PROXY",
    ...fields,
  };
  return openTunnel({ proxy, hostname, port: 443, timeoutMs, signal });
}

/** A far end that speaks first: what it says comes right behind the proxy's answer. */
function greeter() {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const served = (async () => {
    for (;;) {
      const conn = await listener.accept().catch(() => undefined);
      if (conn === undefined) return;
      await writeAll(conn, new TextEncoder().encode("hello"));
      await conn.readable.pipeTo(conn.writable).catch(() => {});
    }
  })();
  return {
    port: listener.addr.port,
    async [Symbol.asyncDispose]() {
      listener.close();
      await served;
    },
  };
}

async function until(what: string, done: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !done(); i++) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.ok(done(), what);
}

for (const mode of ["ok", "ipv6", "name"] as const) {
  Deno.test(`openTunnel() by SOCKS5 has the proxy resolve the name, and loses no byte behind its answer: ${mode}`, async () => {
    await using far = greeter();
    await using proxy = socksProxy();
    proxy.mode = mode;
    proxy.targets.set(`${HOST}:443`, far.port);
    const { stream, early } = await dial(proxy);
    assert.equal(early.length, 0);
    await writeAll(stream, new TextEncoder().encode(" and back"));
    const got = new Uint8Array(14);
    assert.ok(await readFull(stream, got));
    assert.equal(new TextDecoder().decode(got), "hello and back");
    assert.deepEqual(proxy.asked, [`${HOST}:443`]);
    stream.close();
    await until("no connection is left at the proxy", () => proxy.open === 0);
  });
}

Deno.test("openTunnel() by SOCKS5 asks for an IPv4 address as such", async () => {
  await using far = greeter();
  await using proxy = socksProxy();
  proxy.targets.set("192.0.2.1:443", far.port);
  (await dial(proxy, { hostname: "192.0.2.1" })).stream.close();
  assert.deepEqual(proxy.asked, ["192.0.2.1:443"]);
});

Deno.test("openTunnel() by SOCKS5 sends user name and password where they are wanted, and shows them in no error", async () => {
  await using far = greeter();
  await using proxy = socksProxy();
  proxy.targets.set(`${HOST}:443`, far.port);
  const fields = { username: "üser", password: SECRET };
  (await dial(proxy, { fields })).stream.close();
  proxy.credentials = `üser:${SECRET}`;
  (await dial(proxy, { fields })).stream.close();
  for (
    const [given, text, hint] of [
      [
        {},
        /demands a user name and password \(socks5\)$/,
        /^Write them in ALL_PROXY: socks5:\/\/user:password@/,
      ],
      [
        { ...fields, username: "other" },
        /refused the user name or password \(socks5\)$/,
        /^Correct them in ALL_PROXY/,
      ],
    ] as const
  ) {
    await assert.rejects(dial(proxy, { fields: given }), (error) => {
      assert.ok(error instanceof DialError, String(error));
      assert.match(error.message, text);
      assert.match(error.hint!, hint);
      assert.ok(!JSON.stringify([error.message, error.hint, String(error.cause)]).includes(SECRET));
      return true;
    });
  }
});

const FAILURES: readonly (readonly [SocksMode, DialFailure, RegExp])[] = [
  ["no_method", "proxy", /it demands a user name and password/],
  ["hang", "timeout", /no response within 0\.3 s$/],
  ["close", "proxy", /it closed the connection$/],
  ["close_in_answer", "proxy", /it closed the connection during its response$/],
  ["garbage", "proxy", /its response is not SOCKS5$/],
  [1, "proxy", /it cannot reach ingress\.example:443 \(general failure\)$/],
  [2, "proxy", /it forbids connections to ingress\.example:443 \(socks5\)$/],
  [4, "proxy", /it cannot reach ingress\.example:443 \(host unreachable\)$/],
  [7, "proxy", /it refused a tunnel to ingress\.example:443 \(7\)$/],
];
for (const [mode, code, text] of FAILURES) {
  Deno.test(`openTunnel() says what is wrong with a SOCKS5 proxy: ${mode}`, async () => {
    await using proxy = socksProxy();
    proxy.mode = mode;
    await assert.rejects(dial(proxy, { timeoutMs: mode === "hang" ? 300 : 5000 }), (error) => {
      assert.ok(error instanceof DialError, String(error));
      assert.equal(error.code, code, error.message);
      assert.match(
        error.message,
        /^Cannot connect to ingress\.example:443 through the proxy socks5:\/\/127\.0\.0\.1:\d+: /,
      );
      assert.match(error.message, text);
      assert.ok(error.hint);
      return true;
    });
    await until("no connection is left at the proxy", () => proxy.open === 0);
  });
}

Deno.test("openTunnel() by SOCKS5 says that a proxy takes no way to log in that we know", async () => {
  await using proxy = socksProxy();
  proxy.mode = "no_method";
  const fields = { username: "u", password: "p" };
  await assert.rejects(
    dial(proxy, { fields }),
    /it offers no authentication method that ngrokd supports \(255\)$/,
  );
});

Deno.test("openTunnel() by SOCKS5 ends with its signal, and leaves nothing behind", async () => {
  await using proxy = socksProxy();
  proxy.mode = "hang";
  const controller = new AbortController();
  const dialled = dial(proxy, { signal: controller.signal });
  await until("the proxy was asked", () => proxy.open === 1);
  controller.abort(new Error("enough"));
  await assert.rejects(dialled, /enough/);
  await until("no connection is left at the proxy", () => proxy.open === 0);
});
