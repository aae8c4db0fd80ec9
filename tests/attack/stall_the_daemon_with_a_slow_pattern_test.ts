import assert from "node:assert/strict";
import { parseAnswer } from "../../src/cloud/parse_answer.ts";
import { readResponse } from "../../src/cloud/read_response.ts";
import { parseRetryAfter } from "../../src/cloud/retry_after.ts";
import { ENDPOINT_PAGE } from "../../src/cloud/schemas.ts";
import { keySplices } from "../../src/config/api_key_splices.ts";
import { parseYaml } from "../../src/config/parse_yaml.ts";
import { noProxyEntry } from "../../src/config/proxy/no_proxy.ts";
import { parseConfig } from "../../src/config/schema.ts";
import { ObjectEnd } from "../../src/control/object_end.ts";
import { parseRequest as parseCommand } from "../../src/control/protocol.ts";
import { parseHead } from "../../src/forward/http/parse_head.ts";
import { ResponseReader } from "../../src/forward/http/read_response.ts";
import { rewriteHead } from "../../src/forward/http/rewrite_head.ts";
import { sniffHttp } from "../../src/forward/http/sniff_http.ts";
import { didYouMean } from "../../src/lib/did_you_mean.ts";
import { withoutFinalSlashes } from "../../src/lib/final_slashes.ts";
import { isHostname, normalizeHostname } from "../../src/lib/hostname.ts";
import { isLoopbackHost } from "../../src/lib/loopback_host.ts";
import { parseJson } from "../../src/lib/parse_json.ts";
import { printable } from "../../src/lib/printable.ts";
import { redactText } from "../../src/log/redact.ts";
import { parseEndpointUrl } from "../../src/model/endpoint.ts";
import { findOutside, replaceBlock } from "../../src/names/hosts/hosts_block.ts";
import { removeNames } from "../../src/names/hosts/hosts_entry.ts";
import { readNameservers, replaceServer } from "../../src/names/resolver/resolv_conf_text.ts";
import { hasDnsScope, parseLinkValues } from "../../src/names/resolver/resolvectl_output.ts";
import { parseLinks, parseRoutes } from "../../src/network/ip_output.ts";
import type { ByteStream } from "../../src/system/byte_stream.ts";
import { askByConnect } from "../../src/system/proxy/http_connect.ts";
import type { TunnelOptions } from "../../src/system/proxy/tunnel_errors.ts";
import { checkRequest } from "../../src/web/guard.ts";
import { parseRequest } from "../../src/web/parse_request.ts";
import { readHead } from "../../src/web/read_head.ts";
import { oidText } from "../../src/x509/der.ts";
import { readPem } from "../../src/x509/pem.ts";
import { fileWith, SAMPLES } from "../config/sample_values.ts";
import { cpuTimeMs } from "../fakes/cpu_time.ts";
import { assertLinear, hostileTexts, type Reader } from "./hostile_texts.ts";

const KIB = 1024;
const LIMIT_MS = 1000;
/** The size of a text for a reader that bounds its text itself, or whose bound is larger. */
const SIZE = 48 * KIB;

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

const CHUNKED_RESPONSE = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

function readResponses(text: string): void {
  const reader = new ResponseReader();
  reader.expect("other");
  reader.take(encode(text));
}

/** A peer that sends this text. */
function peerWith(text: string): ByteStream {
  let rest = encode(text);
  return {
    read(buffer) {
      const { read, written } = { read: rest.subarray(0, buffer.length), written: buffer.length };
      buffer.set(read);
      rest = rest.subarray(written);
      return Promise.resolve(read.length || null);
    },
    write: (data) => Promise.resolve(data.length),
    closeWrite: () => Promise.resolve(),
    close() {},
  };
}

/** Parses a head that has the text as its target, its Host and a field, each in turn. */
function readHeads(text: string): void {
  const heads = [[`GET ${text} HTTP/1.1`, "Host: a", ""], ["GET / HTTP/1.1", `Host: ${text}`, ""], [
    "GET / HTTP/1.1",
    "Host: a",
    `Upgrade: ${text}`,
    "",
  ]];
  for (const lines of heads) {
    try {
      const head = parseHead(`${lines.join("\r\n")}\r\n`);
      rewriteHead(new Uint8Array(head.length), head, { hostField: "b", keepUpgrade: false });
    } catch {
      // The text is no part of a good head.
    }
  }
}

function checkHeaders(text: string): void {
  for (const name of ["host", "origin", "referer", "sec-fetch-site", "content-length"]) {
    const headers = new Map([["host", "127.0.0.1"], [name, text]]);
    checkRequest({ method: "GET", url: "http://127.0.0.1/", headers }, {
      address: "127.0.0.1",
      hostNames: ["a.example", "*.example"],
    });
  }
}

/** Sets every key of the configuration to the text, to a list with it, and to a map with it. */
function setEveryKey(text: string): void {
  for (const value of [text, [text], { [text]: text }]) {
    try {
      parseConfig(fileWith(SAMPLES.map(([name]) => [name, value])), { interfaces: () => [] });
    } catch {
      // The text is no good value.
    }
  }
}

function readApiError(text: string): Promise<unknown> {
  const body = JSON.stringify({ error_code: text, msg: text, status_code: 500 });
  const options = { action: "list", method: "GET", origin: "https://a", key: "2abc_DEFDEFDEF" };
  return readResponse({ status: 500, body, headers: new Headers() }, {
    ...options,
    parse: (text) => parseAnswer(text, "list"),
  });
}

// A certificate of 1 MiB, all of it one number, kept the daemon busy for minutes.
Deno.test("no object identifier in a certificate keeps its reader busy (R73)", () => {
  const uuid = new Uint8Array([0x69, 0x83, ...Array(17).fill(0xff), 0x7f]);
  assert.equal(oidText(uuid), `2.25.${(1n << 128n) - 1n}`);
  const start = cpuTimeMs();
  assert.throws(() => oidText(new Uint8Array(64 * KIB).fill(0xff)), SyntaxError);
  assert.ok(cpuTimeMs() - start < LIMIT_MS);
});

const NAMES = new Map([["a.example", "10.107.0.2"]]);
const OWN = {
  written: new Set(["10.107.0.2\ta.example", "127.0.0.1\ta"]),
  shared: new Set(["127.0.0.1\ta"]),
  isOwn: (address: string) => address.startsWith("10."),
};

/** Every reader of foreign text, with the most that it gets (docs/reliability.md 3.3). */
const READERS: readonly (readonly [name: string, read: Reader])[] = [
  ["parseEndpointUrl()", parseEndpointUrl],
  ["isHostname()", (text) => isHostname(normalizeHostname(text))],
  ["isLoopbackHost()", isLoopbackHost],
  ["withoutFinalSlashes()", withoutFinalSlashes],
  ["parseAnswer()", (text) => parseAnswer(text, "list")],
  ["ENDPOINT_PAGE", (text) => ENDPOINT_PAGE.parse({ endpoints: [{ id: text, url: text }] })],
  ["readResponse()", readApiError],
  ["parseRetryAfter()", (text) => parseRetryAfter(text, 0)],
  ["printable()", printable],
  ["redactText()", redactText],
  ["readPem()", readPem],
  ["parseJson()", parseJson],
  ["ObjectEnd", (text) => new ObjectEnd().feed(encode(`{${text}`))],
  ["parseCommand()", (text) => parseCommand(encode(JSON.stringify({ command: text })))],
  ["readHead()", (text) => readHead(peerWith(text))],
  ["parseRequest()", (text) => parseRequest(text, "127.0.0.1")],
  ["checkRequest()", checkHeaders],
  ["sniffHttp()", (text) => sniffHttp(encode(text))],
  ["parseHead() and rewriteHead()", readHeads],
  ["ResponseReader, a head", (text) => readResponses(`HTTP/1.1 200 OK\r\n${text}\r\n\r\n`)],
  ["ResponseReader, chunks", (text) => readResponses(`${CHUNKED_RESPONSE}${text}\r\n`)],
  [
    "askByConnect()",
    (text) =>
      askByConnect(peerWith(`${text}\r\n\r\n`), {
        proxy: { scheme: "http", hostname: "a", port: 1, username: "", password: "", setting: "proxy_url" },
        hostname: "b",
        port: 2,
      } as TunnelOptions),
  ],
  ["didYouMean()", (text) => didYouMean(text, ["health_address", "health_port"])],
  ["noProxyEntry()", (text) => noProxyEntry(text, { hostname: "api.example.com", port: 443 })],
  ["parseConfig()", setEveryKey],
  ["replaceBlock()", (text) => replaceBlock(text, NAMES, { own: OWN })],
  ["findOutside()", (text) => findOutside(replaceBlock(text, NAMES, { own: OWN }), NAMES)],
  ["removeNames()", (text) => removeNames(text, (name) => name === "a")],
  ["readNameservers()", readNameservers],
  ["replaceServer()", (text) => replaceServer(text, "127.0.0.1")],
  ["parseLinkValues()", parseLinkValues],
  ["hasDnsScope()", hasDnsScope],
  ["parseLinks()", (text) => parseLinks(JSON.stringify([{ ifname: text, address: text }]))],
  ["parseRoutes()", (text) => parseRoutes(JSON.stringify([{ dst: text }, { dst: `${text}/1` }]))],
];

for (const [name, read] of READERS) {
  Deno.test(`the time of ${name} grows no faster than a hostile text (R73)`, async () => {
    for (const text of hostileTexts()) await assertLinear(read, text, { size: SIZE });
  });
}

Deno.test("a quadratic pattern fails the comparison (R73)", async () => {
  const read = (text: string) => text.replace(/\/+$/, "");
  const text = (size: number) => "/".repeat(size) + "!";
  for (const size of [32 * KIB, SIZE]) {
    await assert.rejects(assertLinear(read, text, { size }), /quarter/);
  }
});

// The last kept the parser busy for 2.7 s on an idle machine; now the worst takes 0.5 s there.
Deno.test("no configuration of 256 KiB keeps its parser or set-api-key busy for 2 s (R73)", () => {
  const keys = (count: number) => Array.from({ length: count }, (_, n) => `helth_adress${n}: 1\n`).join("");
  const fill = (part: string) => part.repeat(250 * KIB / part.length);
  const blocks = ["\n", " ", "\n   ", "\t"].flatMap((part) => [
    `api:\n  key: |\n    a${part.repeat(50_000)}    b\nb: 1\n`,
    `api:\n  key: |${part.repeat(50_000)}\n    b\nb: 1\n`,
  ]);
  for (
    const text of [
      keys(1000),
      `server:\n${keys(900).replace(/^/gm, "  ")}`,
      ...blocks,
      ...["- !x !x\n", "%X\n", "[]\n", ":\n", "\t\n a: ]", "a: 1\n", "#\n", "?\n", "- "].map((part) =>
        fill(part)
      ),
      ...["a,", "!x ", "*a ", "? ", '"a" '].map((part) => `a: [${fill(part)}]`),
      ...["!x ", "a,", '"a" '].map((part) =>
        `a: [${part.repeat(39_000 / part.replace(/\w| /g, "").length)}]`
      ),
    ]
  ) {
    const start = cpuTimeMs();
    try {
      const { value, document } = parseYaml(text);
      keySplices(text, document, { value: "2abc_DEF" });
      parseConfig(value);
    } catch {
      // Some are refused.
    }
    const ms = cpuTimeMs() - start;
    assert.ok(ms < 2 * LIMIT_MS, `${JSON.stringify(text.slice(0, 80))}: ${ms} ms`);
  }
});
