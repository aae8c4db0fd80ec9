import assert from "node:assert/strict";
import { join } from "node:path";
import fc from "fast-check";
import { DEFAULTS } from "../../src/config/config.ts";
import { loadConfig } from "../../src/config/load.ts";
import { parseYaml } from "../../src/config/parse_yaml.ts";
import { problemText } from "../../src/config/validation_error.ts";
import { ConfigError, FileError, hintOf } from "../../src/model/errors.ts";
import { readText } from "../../src/system/files.ts";

function load(text: string) {
  return loadConfig("/etc/ngrokd/config.yml", { readText: () => Promise.resolve(text) });
}

async function problemsOf(text: string): Promise<string[]> {
  try {
    await load(text);
  } catch (error) {
    assert(error instanceof ConfigError, String(error));
    assert.match(error.message, /^Config validation failed: /);
    assert.equal(error.hint, "Correct /etc/ngrokd/config.yml");
    return error.problems.map(problemText);
  }
  return [];
}

Deno.test("loadConfig() gives the defaults for an empty file and for one of comments", async () => {
  for (const text of ["", "\n", "# nothing\n", "---\n", "\ufeff", "null\n", "{}"]) {
    assert.deepEqual(await load(text), { config: DEFAULTS, warnings: [], isEmpty: text !== "{}" });
  }
});

Deno.test("loadConfig() reads the file that the Go daemon's installer writes", async () => {
  const { config, warnings } = await load(`
api:
  url: https://api.ngrok.com
  key: ""
ingressEndpoint: "kubernetes-binding-ingress.ngrok.io:443"
server:
  log_level: info
  socket_path: /var/run/ngrokd.sock
  client_cert: /etc/ngrokd/tls.crt
  client_key: /etc/ngrokd/tls.key
  cert_refresh_interval: 3600
  health_address: 127.0.0.1
  health_port: 8081
bound_endpoints:
  poll_interval: 30
net:
  interface_name: ngrokd0
  subnet: 10.107.0.0/16
  listen_interface: virtual
  start_port: 9080
dns:
  enabled: false
`);
  const ingressEndpoint = { hostname: "kubernetes-binding-ingress.ngrok.io", port: 443 };
  assert.deepEqual({ config, warnings }, { config: { ...DEFAULTS, ingressEndpoint }, warnings: [] });
});

Deno.test("loadConfig() keeps the spelling of unquoted text", async () => {
  const { config } = await load(
    "api:\n  key: 00123456789012345678901\nbound_endpoints:\n  selectors: [true, True, 1.50]\ndns: {enabled: TRUE}\n",
  );
  assert.equal(config.api.key, "00123456789012345678901");
  assert.deepEqual(config.boundEndpoints.selectors, ["true", "True", "1.50"]);
  assert.equal(config.dns.enabled, true);
});

Deno.test("loadConfig() reads 1,000 entries of six keys, also as JSON, and no more than 40,000 marks", async () => {
  const names = Array.from({ length: 1000 }, (_, n) => `my-host-of-a-team-${n}.example`);
  const overrides = Object.fromEntries(names.map((name) => [name, "virtual"]));
  const net = { overrides, allow_names: names, deny_names: names, allow_hosts: names };
  const file = { net, dns: { allow_private: names }, server: { health_hosts: names } };
  const { config } = await load(JSON.stringify(file));
  assert.deepEqual([config.net.allowNames.length, config.server.healthHosts.length], [1000, 1000]);
  assert.deepEqual(await problemsOf(`${"#\n".repeat(40_001)}`), [
    "it has more than 40000 lines, brackets, quotes and other marks of YAML (Shorten it)",
  ]);
});

Deno.test("loadConfig() follows anchors and merge keys", async () => {
  const { config } = await load("x: &x {start_port: 9999}\nnet:\n  <<: *x\n  listen_interface: 0.0.0.0\n");
  assert.equal(config.net.startPort, 9999);
});

const BROKEN: readonly (readonly [fault: string, text: string, problem: string])[] = [
  [
    "a quote that does not end",
    `api:\n  key: "secret\n`,
    "line 3, column 1: a quote, bracket, comma or space is missing here or above",
  ],
  [
    "a repeated key",
    "api: {}\nnet: {}\napi: {}\n",
    "line 3, column 1: the key is repeated here (Remove one of the two)",
  ],
  [
    "a tab as indentation",
    "api:\n\tkey: secret\n",
    "line 2, column 1: a tab is used for indentation (Use spaces)",
  ],
  [
    "a second document",
    "api: {}\n---\nnet: {}\n",
    "line 2, column 1: a second document begins (Keep one document, without --- between)",
  ],
  [
    "a reserved character",
    "api:\n  key: @secret\n",
    "line 2, column 8: a value begins with a reserved character (Put it in quotes)",
  ],
  [
    "a colon in a value",
    "api:\n  url: a: b\n",
    "line 2, column 8: a second key is on the line (Put a value that contains a colon in quotes)",
  ],
  [
    "an alias without an anchor",
    "api:\n  key: *secret\n",
    "line 2, column 8: an alias has no anchor (Put text that begins with * in quotes)",
  ],
  ["a stray bracket", "api: {}\n]\n", "line 2, column 1: the YAML syntax is wrong here"],
  ["a root that is a list", "- api\n", "it is not a map of keys"],
  ["a root that is text", "secret\n", "it is not a map of keys"],
];

for (const [fault, text, problem] of BROKEN) {
  Deno.test(`loadConfig() refuses ${fault} with its position, without quoting the file`, async () => {
    const problems = await problemsOf(text);
    assert.equal(problems[0], problem);
    assert(!problems.join().includes("secret"));
  });
}

Deno.test("loadConfig() refuses alias bombs, circular merges and deep nesting at once", async () => {
  const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\n` +
    Array.from(
      "bcdefgh",
      (name, index) => `${name}: &${name} [${Array(9).fill(`*${"abcdefgh"[index]}`).join()}]\n`,
    ).join("");
  for (
    const text of [
      bomb,
      "a: &a {<<: *a}\n",
      "<<: 3\n",
      "[".repeat(20_000),
      "{a: ".repeat(5000) + "}".repeat(5000),
      "- ".repeat(50_000),
    ]
  ) {
    const problems = await problemsOf(text);
    assert(problems.length > 0 && problems.length < 3, problems.slice(0, 5).join("\n"));
  }
});

Deno.test("loadConfig() accepts a circular alias", async () => {
  const { warnings } = await load("a: &a {b: *a}\nnet: &n {overrides: {}, x: *n}\n");
  assert.deepEqual(warnings.map((warning) => warning.path), ["a", "net.x"]);
});

Deno.test("loadConfig() refuses a missing file and accepts an empty one", async () => {
  const path = join(await Deno.makeTempDir(), "config.yml");
  await assert.rejects(loadConfig(path, { readText }), (error: unknown) => {
    assert(error instanceof FileError);
    assert.equal(error.reason, "missing");
    assert.match(hintOf(error)!, /--config/);
    return true;
  });
  await Deno.writeTextFile(path, "");
  assert.deepEqual((await loadConfig(path, { readText })).config, DEFAULTS);
});

Deno.test("loadConfig() passes on the reason that a file cannot be read", async () => {
  await assert.rejects(loadConfig(await Deno.makeTempDir(), { readText }), (error: unknown) => {
    return error instanceof FileError && error.reason === "not_regular";
  });
});

Deno.test("loadConfig() refuses a file of more than 256 KiB (R73)", async () => {
  const path = await Deno.makeTempFile();
  await Deno.writeTextFile(path, "#".repeat(256 * 1024 + 1));
  await assert.rejects(loadConfig(path, { readText }), FileError);
});

Deno.test("parseYaml() gives a value or a ConfigError for any text", () => {
  const word = fc.constantFrom(
    "a",
    ": ",
    "\n",
    "  ",
    "- ",
    "&a ",
    "*a",
    "{",
    "}",
    "[",
    "]",
    `"`,
    "'",
    "|",
    ">",
    "#",
    "!",
    "%",
    "---\n",
    "<<: ",
    "\t",
    "? ",
    ",",
    "\r\n",
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(word, word, fc.string()), { maxLength: 30 }), (words) => {
      try {
        parseYaml(words.join(""));
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
      }
    }),
    { seed: 3, numRuns: 1000 },
  );
});

Deno.test("loadConfig() gives the next step for a file that it may not read", async () => {
  const denied = new FileError("Cannot read /c: permission denied", { path: "/c", reason: "denied" });
  await assert.rejects(loadConfig("/c", { readText: () => Promise.reject(denied) }), (error) => {
    assert.equal((error as Error).message, denied.message);
    assert.match(hintOf(error)!, /as root/);
    return true;
  });
});
