import assert from "node:assert/strict";
import fc from "fast-check";
import { parseConfig } from "../../../src/config/schema.ts";
import { type ProxyEnvironment, proxyFor, proxyHosts } from "../../../src/config/proxy/proxy_for.ts";
import { showProxy } from "../../../src/model/proxy.ts";

const API = "https://api.ngrok.com";

/** The proxy with its source, and the notes. */
function chosen(environment: ProxyEnvironment, options: { url?: string; proxy_url?: string } = {}) {
  const { url = API, proxy_url } = options;
  const configured = proxy_url === undefined ? undefined : parseConfig({ proxy_url }).config.proxy;
  const { proxy, notes } = proxyFor(url, { configured, environment });
  return { proxy: proxy && `${proxy.setting} ${showProxy(proxy)}`, notes };
}

Deno.test("proxyFor() gives no proxy and no note if no variable names one", () => {
  assert.deepEqual(chosen({}), { proxy: undefined, notes: [] });
  assert.deepEqual(chosen({ NO_PROXY: "*" }), { proxy: undefined, notes: [] });
});

Deno.test("proxyFor() uses proxy_url, else the first variable, and notes the others", () => {
  const all = {
    HTTPS_PROXY: "http://a.example:1",
    https_proxy: "http://b.example:2",
    ALL_PROXY: "socks5://c.example",
    all_proxy: "https://d.example",
  };
  assert.deepEqual(chosen(all, { proxy_url: "http://own.example" }), {
    proxy: "proxy_url http://own.example:80",
    notes: Object.keys(all).map((name) => `${name} is not used: proxy_url has priority`),
  });
  assert.deepEqual(chosen(all), {
    proxy: "HTTPS_PROXY http://a.example:1",
    notes: ["https_proxy", "ALL_PROXY", "all_proxy"].map((name) =>
      `${name} is not used: HTTPS_PROXY has priority`
    ),
  });
  const { HTTPS_PROXY: _, ...lower } = all;
  assert.equal(chosen(lower).proxy, "https_proxy http://b.example:2");
  assert.equal(
    chosen({ ALL_PROXY: all.ALL_PROXY, all_proxy: all.all_proxy }).proxy,
    "ALL_PROXY socks5://c.example:1080",
  );
  assert.equal(chosen({ all_proxy: all.all_proxy }).proxy, "all_proxy https://d.example:443");
});

Deno.test("proxyFor() gives no note for a variable that repeats another", () => {
  const value = "http://a.example";
  const twice = { HTTPS_PROXY: value, https_proxy: value, all_proxy: value, NO_PROXY: "b", no_proxy: "b" };
  assert.deepEqual(chosen(twice), { proxy: "HTTPS_PROXY http://a.example:80", notes: [] });
});

Deno.test("proxyFor() reads a variable without a scheme as http and decodes its credentials", () => {
  const environment = { HTTPS_PROXY: "us%40er:p%3A%2F%2F@proxy.example:3128" };
  const { proxy } = proxyFor(API, { configured: undefined, environment });
  assert.deepEqual(proxy, {
    scheme: "http",
    hostname: "proxy.example",
    port: 3128,
    username: "us@er",
    password: "p://",
    setting: "HTTPS_PROXY",
  });
});

Deno.test("proxyFor() skips an invalid variable without showing its value", () => {
  const environment = { HTTPS_PROXY: "socks4://u:topsecret@a.example", ALL_PROXY: "http://b.example" };
  assert.deepEqual(chosen(environment), {
    proxy: "ALL_PROXY http://b.example:80",
    notes: ['HTTPS_PROXY is not used: "socks4" proxies are not supported: only http, https and socks5'],
  });
  for (
    const value of ["u:topsecret@", "http://u:topsecret@[::1]:1", "http://u:topsecret%zz@a", "topsecret b"]
  ) {
    const { proxy, notes } = chosen({ https_proxy: value });
    assert.equal(proxy, undefined, value);
    assert.match(notes[0]!, /^https_proxy is not used: /);
    assert.ok(!notes[0]!.includes("topsecret"), notes[0]);
  }
});

Deno.test("proxyFor() gives no proxy and a note if NO_PROXY has the host", () => {
  const environment = { HTTPS_PROXY: "http://a.example", NO_PROXY: "x.example,.ngrok.com", no_proxy: "*" };
  assert.deepEqual(chosen(environment), {
    proxy: undefined,
    notes: [
      "no_proxy is not used: NO_PROXY has priority",
      'HTTPS_PROXY is not used: NO_PROXY has ".ngrok.com"',
    ],
  });
  assert.equal(chosen({ ...environment, NO_PROXY: "x.example" }).proxy, "HTTPS_PROXY http://a.example:80");
  assert.equal(chosen({ all_proxy: "http://a.example", no_proxy: "ngrok.com" }).proxy, undefined);
  // The default port matches an entry with that port.
  assert.equal(chosen({ HTTPS_PROXY: "http://a.example", NO_PROXY: "api.ngrok.com:443" }).proxy, undefined);
});

Deno.test("proxyFor() uses proxy_url despite NO_PROXY, with a note", () => {
  assert.deepEqual(chosen({ NO_PROXY: "*" }, { proxy_url: "http://own.example" }), {
    proxy: "proxy_url http://own.example:80",
    notes: ["NO_PROXY is not used: it does not apply to proxy_url"],
  });
});

for (
  const url of [
    "https://127.0.0.1:8443/v1",
    "https://127.255.0.9",
    "https://localhost",
    "https://LOCALHOST.",
    "https://[::1]:8443",
    "http://127.0.0.1:8080",
    "http://localhost",
  ]
) {
  Deno.test(`proxyFor() gives no proxy and a note for ${url}`, () => {
    const { proxy, notes } = chosen({ ALL_PROXY: "http://a.example" }, {
      url,
      proxy_url: "http://own.example",
    });
    assert.equal(proxy, undefined);
    assert.equal(notes.length, 1);
    assert.match(notes[0]!, /^proxy_url, ALL_PROXY: not used for https?:\/\/.*, which is this machine$/);
  });
}

Deno.test("proxyFor() uses the proxy for names that only resemble loopback hosts", () => {
  for (
    const host of ["127.0.0.1.example", "localhost.example", "128.0.0.1", "notlocalhost", "api.localhost"]
  ) {
    assert.equal(
      chosen({ HTTPS_PROXY: "http://a.example" }, { url: `https://${host}` }).proxy,
      "HTTPS_PROXY http://a.example:80",
      host,
    );
  }
});

Deno.test("proxyHosts() has every proxy that is set, used or not, and no value that is none", () => {
  const configured = parseConfig({ proxy_url: "http://u:p@Own.example." }).config.proxy;
  const environment = {
    HTTPS_PROXY: "a.example:3128",
    https_proxy: "socks5://B.example",
    ALL_PROXY: "ftp://c.example",
    all_proxy: "http://u:p@d.example:1",
    NO_PROXY: "e.example",
  };
  assert.deepEqual(proxyHosts({ configured, environment }), [
    "own.example",
    "a.example",
    "b.example",
    "d.example",
  ]);
  assert.deepEqual(proxyHosts({ configured: undefined, environment: {} }), []);
});

Deno.test("proxyFor() accepts any environment and shows no password", () => {
  const anything = fc.option(fc.string({ unit: "binary", maxLength: 40 }), { nil: undefined });
  const withPassword = fc.tuple(fc.constantFrom("", "http://", "socks5://", "x://"), fc.string(), fc.string())
    .map(
      ([scheme, user, rest]) => `${scheme}${user.replaceAll("/", "")}:topsecret@${rest}`,
    );
  const value = fc.oneof(anything, withPassword);
  fc.assert(fc.property(value, value, anything, (HTTPS_PROXY, all_proxy, NO_PROXY) => {
    const given = Object.entries({ HTTPS_PROXY, all_proxy, NO_PROXY }).filter(([, text]) => text);
    const { proxy, notes } = chosen(Object.fromEntries(given));
    assert.ok(!`${proxy} ${notes}`.includes("topsecret"), `${proxy} ${notes}`);
  }));
});
