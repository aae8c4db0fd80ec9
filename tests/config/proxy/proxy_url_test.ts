import assert from "node:assert/strict";
import { parseConfig } from "../../../src/config/schema.ts";
import { ConfigError } from "../../../src/model/errors.ts";

const REFUSED: readonly (readonly [value: unknown, message: RegExp])[] = [
  ["socks4://u:topsecret@10.0.0.1:1080", /^"socks4" proxies are not supported: only http, https and socks5$/],
  ["ftp://u:topsecret@proxy.example:443", /^"ftp" proxies are not supported/],
  ["socks5://", /^it is not a URL$/],
  ["socks5://u:topsecret@proxy.example:1080/path", /^it has more than/],
  ["socks5://:topsecret@proxy.example", /^a socks5 proxy needs both a user name and a password, or neither$/],
  [
    `socks5://topsecret:${"%C3%A4".repeat(128)}@proxy.example`,
    /^its user name or password is longer than the 255 bytes/,
  ],
  ["proxy.example:3128", /^it is not a URL$/],
  ["u:topsecret@proxy.example:3128", /^it is not a URL$/],
  ["http://", /^it is not a URL$/],
  ["http://u:topsecret@proxy.example:99999", /^it is not a URL$/],
  ["http://u:top secret@proxy.example", /^it is not a URL$/],
  ["http://u:topsecret@proxy.example/path", /^it has more than scheme, user, host and port$/],
  ["http://u:topsecret@proxy.example?topsecret", /^it has more than/],
  ["http://u:topsecret@[::1]:3128", /^its host is not a host name or an IPv4 address$/],
  ["http://u:topsecret%ZZ@proxy.example", /^a % in the user name or password does not encode a character$/],
  ["http://a%3Ab:topsecret@proxy.example", /^the user name has a colon$/],
  [3128, /^it is not text$/],
];
for (const [value, message] of REFUSED) {
  Deno.test(`parseConfig() refuses proxy_url: ${value}`, () => {
    assert.throws(() => parseConfig({ proxy_url: value }), (error) => {
      assert.ok(error instanceof ConfigError);
      const [problem, ...others] = error.problems;
      assert.deepEqual(others, []);
      assert.equal(problem!.path, "proxy_url");
      assert.match(problem!.message, message);
      assert.ok(problem!.suggestion);
      assert.ok(!JSON.stringify([problem, error.message]).includes("secret@"), JSON.stringify(problem));
      assert.ok(!JSON.stringify([problem, error.message]).includes("topsecret"), JSON.stringify(problem));
      return true;
    });
  });
}
