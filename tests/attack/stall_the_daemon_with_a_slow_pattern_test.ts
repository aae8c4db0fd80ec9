import assert from "node:assert/strict";
import { parseRetryAfter } from "../../src/cloud/retry_after.ts";
import { keySplices } from "../../src/config/api_key_splices.ts";
import { parseYaml } from "../../src/config/parse_yaml.ts";
import { noProxyEntry } from "../../src/config/proxy/no_proxy.ts";
import { parseConfig } from "../../src/config/schema.ts";
import { ObjectEnd } from "../../src/control/object_end.ts";
import { sniffHttp } from "../../src/forward/http/sniff_http.ts";
import { didYouMean } from "../../src/lib/did_you_mean.ts";
import { isHostname, normalizeHostname } from "../../src/lib/hostname.ts";
import { parseJson } from "../../src/lib/parse_json.ts";
import { printable } from "../../src/lib/printable.ts";
import { redactText } from "../../src/log/redact.ts";
import { parseEndpointUrl } from "../../src/model/endpoint.ts";
import { findOutside, replaceBlock } from "../../src/names/hosts/hosts_block.ts";
import { readNameservers, replaceServer } from "../../src/names/resolver/resolv_conf_text.ts";
import { hasDnsScope, parseLinkValues } from "../../src/names/resolver/resolvectl_output.ts";
import { isLoopbackHost } from "../../src/lib/loopback_host.ts";
import { checkRequest } from "../../src/web/guard.ts";
import { parseRequest } from "../../src/web/parse_request.ts";
import { oidText } from "../../src/x509/der.ts";
import { readPem } from "../../src/x509/pem.ts";

const KIB = 1024;
/** A linear pattern takes some milliseconds; a quadratic one seconds, on any machine. */
const LIMIT_MS = 1000;

/** Texts that begin as something that is read, repeat a part of it, and do not end as it does. */
const BEGINNINGS = ["", "http://", "GET /", "Link 5 (a): b", "api:\n  key: |\n    a", "[", '{"a":"', "a:"];
const PARTS = [
  `\n${" ".repeat(200)}`,
  ...[" ", "\n", "\n ", "\n\t", "\r", "\r\n ", ":", ":1", "1", "a", "a.", "-", "_", "*.", "[", "{", "(", '"'],
  ...["\\", "\\u", ",", "a: ", "#", " #", "=", "%", "\u00e9", "\ufeff", "&a ", "- "],
  ...[
    "-----BEGIN PRIVATE KEY-----",
    "-----BEGIN A-----\n",
    "-----BEGIN A",
    "Bearer ",
    "Bearer",
    "_aaaaaaaaaaaaaaa",
  ],
  ...["# BEGIN ngrokd managed section\n", "# END ngrokd managed section", "nameserver ", "\nnameserver\t"],
  ...[
    "# ngrokd managed - do not edit this line\n",
    "\n  Current Scopes: ",
    "Host: a\r\n",
    "\nCurrent Scopes",
  ],
];
const ENDINGS = ["", "\nx", "!"];

function* hostileTexts(size: number): Generator<string> {
  for (const part of PARTS) {
    const middle = part.repeat(size / part.length);
    for (const beginning of BEGINNINGS) for (const ending of ENDINGS) yield beginning + middle + ending;
  }
}

/** Every reader of foreign text, with the most that it gets (docs/reliability.md 3.3). */
const READERS: readonly (readonly [name: string, size: number, read: (text: string) => unknown])[] = [
  ["parseEndpointUrl()", 512, parseEndpointUrl],
  ["isHostname()", 64 * KIB, (text) => isHostname(normalizeHostname(text))],
  ["isLoopbackHost()", 64 * KIB, isLoopbackHost],
  ["parseRetryAfter()", 64 * KIB, (text) => parseRetryAfter(text, 0)],
  ["printable()", 128 * KIB, printable],
  ["redactText()", 128 * KIB, redactText],
  ["readPem()", 128 * KIB, readPem],
  ["parseJson()", 128 * KIB, parseJson],
  ["ObjectEnd", 64 * KIB, (text) => new ObjectEnd().feed(new TextEncoder().encode(`{${text}`))],
  ["parseRequest()", 16 * KIB, (text) => parseRequest(text, "127.0.0.1")],
  ["checkRequest()", 16 * KIB, (text) =>
    checkRequest({
      method: "GET",
      url: "http://127.0.0.1/",
      headers: new Map([["host", text], ["referer", text], ["origin", text]]),
    }, { address: "127.0.0.1", hostNames: ["a.example", "*.example"] })],
  ["sniffHttp()", 16 * KIB, (text) => sniffHttp(new TextEncoder().encode(text))],
  ["didYouMean()", 128 * KIB, (text) => didYouMean(text, ["health_address", "health_port"])],
  [
    "noProxyEntry()",
    16 * KIB,
    (text) =>
      noProxyEntry(text, { hostname: "api.example.com", port: 443 } as Parameters<typeof noProxyEntry>[1]),
  ],
  ["replaceBlock()", 128 * KIB, (text) => replaceBlock(text, new Map([["a.example", "10.107.0.2"]]))],
  ["findOutside()", 128 * KIB, (text) => findOutside(text, new Set(["a.example"]))],
  ["readNameservers()", 128 * KIB, readNameservers],
  ["replaceServer()", 128 * KIB, (text) => replaceServer(text, "127.0.0.1")],
  ["parseLinkValues()", 128 * KIB, parseLinkValues],
  ["hasDnsScope()", 128 * KIB, hasDnsScope],
];

for (const [name, size, read] of READERS) {
  Deno.test(`no text of ${size / KIB} KiB keeps ${name} busy (R73)`, () => {
    for (const text of hostileTexts(size)) {
      const start = performance.now();
      try {
        read(text);
      } catch {
        // Most texts are refused.
      }
      const ms = performance.now() - start;
      assert.ok(ms < LIMIT_MS, `${JSON.stringify(text.slice(0, 80))}: ${ms} ms`);
    }
  });
}

// A certificate of 1 MiB, all of it one number, kept the daemon busy for minutes.
Deno.test("no object identifier in a certificate keeps its reader busy (R73)", () => {
  const uuid = new Uint8Array([0x69, 0x83, ...Array(17).fill(0xff), 0x7f]);
  assert.equal(oidText(uuid), `2.25.${(1n << 128n) - 1n}`);
  const start = performance.now();
  assert.throws(() => oidText(new Uint8Array(64 * KIB).fill(0xff)), SyntaxError);
  assert.ok(performance.now() - start < LIMIT_MS);
});

Deno.test("no configuration of 256 KiB keeps its parser or set-api-key busy for seconds (R73)", () => {
  const keys = (count: number) => Array.from({ length: count }, (_, n) => `helth_adress${n}: 1\n`).join("");
  const blocks = ["\n", " ", "\n   ", "\t"].flatMap((part) => [
    `api:\n  key: |\n    a${part.repeat(50_000)}    b\nb: 1\n`,
    `api:\n  key: |${part.repeat(50_000)}\n    b\nb: 1\n`,
  ]);
  for (
    const text of [
      keys(1000),
      `server:\n${keys(900).replace(/^/gm, "  ")}`,
      ...blocks,
    ]
  ) {
    const start = performance.now();
    try {
      const { value, document } = parseYaml(text);
      keySplices(text, document, { value: "2abc_DEF" });
      parseConfig(value);
    } catch {
      // Some are refused.
    }
    const ms = performance.now() - start;
    assert.ok(ms < 3 * LIMIT_MS, `${JSON.stringify(text.slice(0, 80))}: ${ms} ms`);
  }
});
