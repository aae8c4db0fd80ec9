import assert from "node:assert/strict";
import fc from "fast-check";
import { type Config, DEFAULTS, KEY_ENTRIES, valueOf } from "../../src/config/config.ts";
import { parseConfig, type ParseOptions } from "../../src/config/schema.ts";
import { SECTIONS } from "../../src/config/sections.ts";
import { problemText } from "../../src/config/validation_error.ts";
import { ConfigError, type ConfigProblem } from "../../src/model/errors.ts";
import { showProxy } from "../../src/model/proxy.ts";
import { fileWith, SAMPLES } from "./sample_values.ts";

const MACHINE: ParseOptions = {
  interfaces: () => [
    { interface: "lo", address: "127.0.0.1" },
    { interface: "eth0", address: "192.0.2.1" },
    { interface: "eth0", address: "192.0.2.2" },
  ],
};

function problemsOf(raw: unknown, options: ParseOptions = MACHINE): readonly ConfigProblem[] {
  try {
    parseConfig(raw, options);
  } catch (error) {
    assert(error instanceof ConfigError, String(error));
    assert.match(error.message, /^Config validation failed: /);
    return error.problems;
  }
  return [];
}

function read(config: Config, name: string): unknown {
  return valueOf(config, KEY_ENTRIES.find(({ key }) => key.name === name)!).value;
}

Deno.test("parseConfig() gives the defaults for nothing, and for empty and zero values", () => {
  const entries = KEY_ENTRIES.map(({ key }) => key);
  const empty = [null, "", 0].map((value) => {
    const emptied = entries.filter(({ type }) => value !== 0 || !type.takesZero);
    return fileWith(emptied.map(({ name }) => [name, value]));
  });
  const sections = [null, "", {}].map((value) => ({ api: value, server: value, net: value, dns: value }));
  const lists = fileWith([["net.overrides", {}], ["dns.upstream", []], ["server.health_hosts", []]]);
  for (const raw of [undefined, null, {}, "", lists, ...sections, ...empty]) {
    const { config, warnings } = parseConfig(raw);
    assert.deepEqual({ config, warnings }, { config: DEFAULTS, warnings: [] });
  }
});

Deno.test("parseConfig() reads every key", () => {
  assert.deepEqual(SAMPLES.map(([name]) => name), KEY_ENTRIES.map(({ key }) => key.name));
  const { config, warnings } = parseConfig(fileWith(SAMPLES.map(([name, raw]) => [name, raw])), MACHINE);
  assert.deepEqual(warnings, []);
  for (const [name, , parsed] of SAMPLES) assert.deepEqual(read(config, name), parsed, name);
});

const ACCEPTED: readonly (readonly [name: string, raw: unknown, parsed: unknown])[] = [
  ["server.probe_interval", 0, 0],
  // It meant 10 s.
  ["server.drain_seconds", 0, 0],
  ["server.drain_seconds", 1, 1000],
  ["api.url", "http://localhost:8080/", "http://localhost:8080"],
  ["api.url", "http://127.1", "http://127.0.0.1"],
  // Nobody but this machine; it used to mean the default, which admits every private network.
  ["net.allow_cidrs", [], []],
  ["api.url", "http://[::1]:8080", "http://[::1]:8080"],
  ["api.key", 12345, "12345"],
  ["ingressEndpoint", "host.example", { hostname: "host.example", port: 443 }],
  ["ingressEndpoint", "127.0.0.1:4443", { hostname: "127.0.0.1", port: 4443 }],
  ["server.log_level", "WARNING", "warn"],
  ["server.health_address", "localhost", "127.0.0.1"],
  ["server.socket_path", "/var/run/ngrokd.sock", "/run/ngrokd/ngrokd.sock"],
  ["net.listen_interface", "0.0.0.0", "0.0.0.0"],
  ["net.listen_interface", "10.1.2.3", "10.1.2.3"],
  ["dns.enabled", "yes", true],
  ["dns.manage_resolv_conf", "Off", false],
  ["dns.listen", ":53", ":53"],
  ["dns.listen", "10.0.0.1", "10.0.0.1"],
];

for (const [name, raw, parsed] of ACCEPTED) {
  Deno.test(`parseConfig() accepts ${name}: ${raw}`, () => {
    const { config, warnings } = parseConfig(fileWith([[name, raw]]), MACHINE);
    assert.deepEqual(read(config, name), parsed);
    assert.deepEqual(warnings, []);
  });
}

for (
  const [raw, shown] of [
    ["http://10.0.0.1/", "http://10.0.0.1:80"],
    ["https://Proxy.Example", "https://proxy.example:443"],
    ["socks5://10.0.0.1", "socks5://10.0.0.1:1080"],
    ["socks5h://u:p@proxy.example:80", "socks5://proxy.example:80"],
  ] as const
) {
  Deno.test(`parseConfig() accepts proxy_url: ${raw}`, () => {
    const { proxy } = parseConfig({ proxy_url: raw }).config;
    assert.equal(proxy && showProxy(proxy), shown);
  });
}

const NOT_A_MAP = "it is not a map of keys";
const NOT_LISTENABLE = "is not virtual, an IPv4 address, or an interface of this machine that has one";
/** A key, a value, and the problem with it, which begins with the key. */
const REFUSED: readonly (readonly [name: string, raw: unknown, problem: string])[] = [
  ["api", "secret", `: ${NOT_A_MAP}`],
  ["server", [], `: ${NOT_A_MAP}`],
  [
    "api.url",
    "http://api.ngrok.com",
    ": http would show the API key to the network (Write https://api.ngrok.com)",
  ],
  [
    "api.url",
    "http://localhost.evil.example",
    ": http would show the API key to the network (Write https://localhost.evil.example)",
  ],
  [
    "api.url",
    "https://secret@api.ngrok.com",
    ": it contains a user name or password (The API key belongs in api.key)",
  ],
  ["api.url", "api.ngrok.com", ": it is not a URL (Write it like https://api.ngrok.com)"],
  ["api.url", "https://a b", ": it is not a URL (Write it like https://api.ngrok.com)"],
  ["api.url", "ftp://a", ': the scheme "ftp" is not https (Write it like https://api.ngrok.com)'],
  ["api.url", "https://a/?b", ": it contains a query or a fragment (Write it like https://api.ngrok.com)"],
  [
    "api.key",
    "a b",
    ": the key contains white space or a line break (Set it with: ngrokctl set-api-key)",
  ],
  ["api.key", { a: 1 }, ": it is not text"],
  ["ingressEndpoint", "https://a:443", ': "https://a:443" is not host:port (Write it without a scheme)'],
  ["ingressEndpoint", "a_b c:1", ': "a_b c" is not a host name or an IPv4 address'],
  ["ingressEndpoint", "a:", ': the port "" is not in 1 to 65535'],
  ["ingressEndpoint", "a:0", ': the port "0" is not in 1 to 65535'],
  [
    "server.log_level",
    "debgu",
    ': "debgu" is not debug, info, warn, error or warning (Did you mean "debug"?)',
  ],
  ["server.log_format", "xml", ': "xml" is not text or json'],
  ["server.client_cert", "/etc/ngrokd/", ': "/etc/ngrokd/" is a directory (Name a file in it)'],
  ["server.client_cert", "/a\nb", ': "/a\\u000ab" contains a line break or a control character'],
  [
    "server.client_key",
    DEFAULTS.server.clientCert,
    ": it is the same file as server.client_cert (Use another file)",
  ],
  ["server.cert_refresh_interval", -1, ": -1 is negative (The default is 3600 (seconds))"],
  ["server.drain_seconds", -1, ": -1 is negative (The default is 10 (seconds))"],
  ["server.cert_refresh_interval", 3e6, ": 3000000 is too long (At most 2147483 seconds)"],
  ["server.health_address", "::1", ': "::1" is not an IPv4 address (The default is 127.0.0.1)'],
  ["server.health_port", 65536, ": 65536 is not in 1 to 65535 (The default is 8081)"],
  ["server.probe_interval", 9, ": 9 is too short (At least 10 seconds, or 0 for off)"],
  ["server.probe_interval", -1, ": -1 is negative (The default is 300 (seconds))"],
  ["bound_endpoints.poll_interval", -5, ": -5 is negative (The default is 30 (seconds))"],
  ["bound_endpoints.poll_interval", 1.5, ": 1.5 is not a whole number"],
  ["bound_endpoints.poll_interval", "1m", ': "1m" is not a whole number'],
  ["bound_endpoints.poll_interval", [], ": it is not a whole number"],
  ["bound_endpoints.selectors", "true", ": it is not a list"],
  ["bound_endpoints.selectors", ["a", ""], ".1: it is empty"],
  ["bound_endpoints.selectors", [{}], ".0: it is not text"],
  ...["sixteen-letters-", "-rf", ".."].map((name) =>
    [
      "net.interface_name",
      name,
      `: "${name}" is not 1 to 15 letters, digits, or _ . - (The default is ngrokd0)`,
    ] as const
  ),
  [
    "net.subnet",
    "10.107.0.0",
    ': "10.107.0.0" is not of the form a.b.c.d/n (The default is 10.107.0.0/16)',
  ],
  ["net.subnet", "10.0.0.0/7", ": /7 is not in /8 to /29 (The default is 10.107.0.0/16)"],
  ["net.subnet", "10.0.0.0/30", ": /30 is not in /8 to /29 (The default is 10.107.0.0/16)"],
  [
    "net.subnet",
    "224.0.0.0/8",
    ": 224.0.0.0/8 has no address that a host can have (The default is 10.107.0.0/16)",
  ],
  ["net.listen_interface", "eth1", `: "eth1" ${NOT_LISTENABLE} (Did you mean "eth0"?)`],
  ["net.listen_interface", "wireguard", `: "wireguard" ${NOT_LISTENABLE} (The interfaces are eth0, lo)`],
  [
    "net.listen_interface",
    "::",
    ': "::" is not an IPv4 address (ngrokd listens on IPv4 only, and start_port sets the port)',
  ],
  ["net.allow_names", "db", ": it is not a list"],
  ["net.allow_names", ["a b"], '.0: "a b" is not a host name or *.suffix'],
  ["net.allow_names", ["a", ""], ".1: it is empty"],
  ["net.deny_names", ["a.*.b"], '.0: "a.*.b" is not a host name or *.suffix'],
  ["net.shadow_public", "deny", ': "deny" is not refuse or warn'],
  ["net.allow_ports", [22, 65536], ".1: 65536 is not a port (Write the numbers of single ports, such as 22)"],
  ["net.allow_ports", ["20-22"], '.0: "20-22" is not a port (Write the numbers of single ports, such as 22)'],
  ["net.allow_cidrs", "10.0.0.0/8", ": it is not a list"],
  ["net.allow_cidrs", ["10.0.0.0/33"], '.0: "10.0.0.0/33" is not of the form a.b.c.d/n'],
  [
    "net.allow_hosts",
    ["dev.corp:80"],
    '.0: "dev.corp:80" is not a host name, *.suffix, IPv4 address or origin (Write dev.corp)',
  ],
  [
    "net.allow_hosts",
    ["http://dev.corp:81/x"],
    '.0: "http://dev.corp:81/x" is not a host name, *.suffix, IPv4 address or origin (Write http://dev.corp:81)',
  ],
  ["net.allow_hosts", ["*"], '.0: "*" is not a host name, *.suffix, IPv4 address or origin'],
  ["net.allow_cidrs", ["lan"], '.0: "lan" is not of the form a.b.c.d/n'],
  ["net.advertise_ip", "0.0.0.0", ': "0.0.0.0" cannot be the address of a host'],
  [
    "net.advertise_ips",
    ["127.0.0.1"],
    '.0: "127.0.0.1" is a loopback address, which leads every machine to itself',
  ],
  ["net.advertise_ips", ["192.0.2.1", "eth0"], '.1: "eth0" is not an IPv4 address'],
  ["net.advertise_ip", "host", ': "host" is not an IPv4 address'],
  ["net.publish_moved_ports", "perhaps", ': "perhaps" is not true or false'],
  ["net.redirect_held_ports", "on", ': "on" is not auto or off'],
  ["net.start_port", 70000, ": 70000 is not in 1 to 65535 (The default is 9080)"],
  ["net.start_port", "09090", ': "09090" is not a whole number'],
  ["net.overrides", ["a"], ": it is not a map of host names to listen interfaces"],
  [
    "net.overrides",
    { "a.example:80": "virtual" },
    '.a.example:80: "a.example:80" is not a host name or *.suffix (Write a.example, without scheme and port)',
  ],
  ["net.overrides", { "a b": "virtual" }, '.a b: "a b" is not a host name or *.suffix'],
  [
    "net.overrides",
    { "a.example": "" },
    ".a.example: the listen interface is empty (Write virtual, an IPv4 address, or an interface)",
  ],
  ["net.overrides", { "a.example": "lo", "A.example": "lo" }, ".A.example: the host is listed twice"],
  ["net.overrides", { "a.example": "eth7" }, `.a.example: "eth7" ${NOT_LISTENABLE} (Did you mean "eth0"?)`],
  ["dns.enabled", "maybe", ': "maybe" is not true or false'],
  ["dns.enabled", 1, ": 1 is not true or false"],
  ["dns.listen", "localhost", ': "localhost" is not a.b.c.d, a.b.c.d:port or :port'],
  ["dns.listen", ":99999", ': the port "99999" is not in 1 to 65535'],
  // A name was accepted and shown in status, and the server never asked.
  [
    "dns.upstream",
    ["dns.example"],
    '.0: "dns.example" is not an IP address (Write the address of the DNS server)',
  ],
  ["dns.allow_private", ["nas corp"], '.0: "nas corp" is not a host name or *.suffix'],
  ["dns.allow_private", ["*"], '.0: "*" is not a host name or *.suffix'],
  ["dns.upstream", ["[2001:db8::1]:0"], '.0: the port "0" is not in 1 to 65535'],
  ["dns.upstream", ["fe80::1"], '.0: "fe80::1" is link-local (Write it with its interface: fe80::1%eth0)'],
  ["dns.upstream", ["1.1.1.1:x"], '.0: the port "x" is not in 1 to 65535'],
];

// 10,000 overrides took 5.5 s: each listed the interfaces, and the YAML parser compared all keys.
Deno.test("parseConfig() lists the interfaces once, and limits lists and maps to 1,000 entries (R73)", () => {
  const overrides = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`h${index}.example`, "lo"]));
  let calls = 0;
  const interfaces = () => {
    calls++;
    return [{ interface: "lo", address: "127.0.0.1" }];
  };
  parseConfig({ net: { overrides: overrides(1000) } }, { interfaces });
  assert.equal(calls, 1);
  const reason = ": it has 1001 entries, more than 1000";
  for (
    const [name, raw] of [
      ["net.overrides", overrides(1001)],
      ["server", Object.fromEntries(Array.from({ length: 1001 }, (_, index) => [`k${index}`, 1]))],
      ["net.allow_cidrs", Array(1001).fill("10.0.0.0/8")],
    ] as const
  ) assert.deepEqual(problemsOf(fileWith([[name, raw]])).map(problemText), [name + reason]);
});

// An api.url of 80,000 slashes took 3.1 s, again at each request.
Deno.test("parseConfig() limits the text of every value, and does not show a longer one (R73)", () => {
  const url = (length: number) => `https://a.example/${"a".repeat(length - 18)}`;
  const path = (length: number) => `/${"a".repeat(length - 1)}`;
  const rows = [
    ["api.url", url, 2048],
    ["server.ingress_ca", path, 4096],
    ["proxy_url", (length: number) => `socks5://a${" ".repeat(length - 10)}`, 4096],
    ["bound_endpoints.selectors", (length: number) => ["a".repeat(length)], 16_384],
  ] as const;
  for (const [name, text, limit] of rows) {
    const tooLong = `it is longer than ${limit} characters`;
    const messages = (length: number) =>
      problemsOf(fileWith([[name, text(length)]])).map(({ message }) => message);
    assert.deepEqual(messages(limit + 1), [tooLong], name);
    assert.ok(!messages(limit).includes(tooLong), name);
  }
  const slashes = `https://a.example${"/".repeat(1000)}`;
  assert.equal(parseConfig({ api: { url: slashes } }).config.api.url, "https://a.example");
});

for (const [name, raw, problem] of REFUSED) {
  Deno.test(`parseConfig() refuses ${name}: ${JSON.stringify(raw)}`, () => {
    assert.deepEqual(problemsOf(fileWith([[name, raw]])).map(problemText), [name + problem]);
  });
}

Deno.test("parseConfig() refuses a file that is a list or text", () => {
  for (const raw of [[], "text"]) assert.deepEqual(problemsOf(raw).map(problemText), [NOT_A_MAP]);
});

Deno.test("parseConfig() reports all problems at once, the first ten in the message", () => {
  const overrides = Object.fromEntries(
    Array.from({ length: 12 }, (_, index) => [`h${index}.example`, "nowhere"]),
  );
  const raw = { api: { url: "x" }, server: { health_port: -1 }, net: { start_port: 1.5, overrides } };
  const problems = problemsOf(raw);
  assert.equal(problems.length, 15);
  assert.deepEqual(problems.slice(0, 4).map((problem) => problem.path), [
    "api.url",
    "server.health_port",
    "net.start_port",
    "net.overrides.h0.example",
  ]);
  assert.throws(() => parseConfig(raw, MACHINE), /; and 5 more$/);
  // A bad host and its bad target are two problems.
  assert.equal(problemsOf({ net: { overrides: { "a:1": "nowhere" } } }).length, 2);
});

Deno.test("parseConfig() warns about unknown keys at every level and suggests the key that was meant", () => {
  const { warnings } = parseConfig({
    ingress_endpoint: "a",
    apis: {},
    proxyurl: "http://proxy.example",
    poll_interval: 3,
    zzz: 1,
    server: { log_levl: "debug", start_port: 1, net: {} },
    net: { overides: {} },
    "a\nb": 1,
  });
  const note = "ngrokd does not know this key and ignores it";
  assert.deepEqual(warnings.map(problemText), [
    `ingress_endpoint: ${note} (Did you mean "ingressEndpoint"?)`,
    `apis: ${note} (Did you mean "api"?)`,
    `proxyurl: ${note} (Did you mean "proxy_url"?)`,
    `poll_interval: ${note} (Did you mean "bound_endpoints.poll_interval"?)`,
    `zzz: ${note}`,
    `a\\u000ab: ${note}`,
    `server.log_levl: ${note} (Did you mean "log_level"?)`,
    `server.start_port: ${note} (Did you mean "net.start_port"?)`,
    `server.net: ${note} (Did you mean "net"?)`,
    `net.overides: ${note} (Did you mean "overrides"?)`,
  ]);
});

Deno.test("parseConfig() accepts a number in quotes with a warning", () => {
  const { config, warnings } = parseConfig({ net: { start_port: "9090" }, server: { health_port: "0" } });
  assert.equal(config.net.startPort, 9090);
  assert.equal(config.server.healthPort, 8081);
  assert.deepEqual(warnings.map((warning) => warning.path), ["server.health_port", "net.start_port"]);
});

Deno.test("parseConfig() warns about a poll interval below 5 s", () => {
  const { config, warnings } = parseConfig({ bound_endpoints: { poll_interval: 4 } });
  assert.equal(config.boundEndpoints.pollIntervalMs, 4000);
  assert.deepEqual(warnings.map((warning) => warning.path), ["bound_endpoints.poll_interval"]);
});

Deno.test("parseConfig() shows no API key, even in the wrong place", () => {
  const secret = "2aBcSECRET\u00e4";
  for (
    const raw of [{ api: { key: secret } }, { api: secret }, secret, {
      api: { url: `https://${secret}@a.example` },
    }]
  ) {
    assert.throws(() => parseConfig(raw), (error: unknown) => {
      assert(error instanceof ConfigError);
      assert(!JSON.stringify([error.message, error.problems]).includes("SECRET"));
      return true;
    });
  }
});

// One absent address stopped the daemon, and made every reload fail.
Deno.test("parseConfig() accepts an address of net.advertise_ips that is absent, with a warning", () => {
  const file = { net: { advertise_ips: ["192.0.2.1", "192.0.2.9"] } };
  const { config, warnings } = parseConfig(file, MACHINE);
  assert.deepEqual(config.net.advertiseIps, ["192.0.2.1", "192.0.2.9"]);
  assert.deepEqual(warnings.map(problemText), [
    "net.advertise_ips: this machine does not have the address 192.0.2.9 now, so no name gets it (Its addresses are 192.0.2.1, 192.0.2.2)",
  ]);
});

Deno.test("parseConfig() accepts any interface name if the interfaces are not known", () => {
  assert.equal(parseConfig({ net: { listen_interface: "wlan7" } }).config.net.listenInterface, "wlan7");
});

Deno.test("parseConfig() accepts hosts that are named like members of every object", () => {
  const raw = JSON.parse(`{"net": {"overrides": {"__proto__": "lo", "toString": "virtual"}}}`);
  const { overrides } = parseConfig(raw, MACHINE).config.net;
  assert.deepEqual(Object.entries(overrides), [["__proto__", "lo"], ["tostring", "virtual"]]);
  assert.equal(overrides["constructor"], undefined);
  assert.equal(DEFAULTS.net.overrides["constructor"], undefined);
});

Deno.test("parseConfig() puts the socket in the default directory of the operating system", () => {
  const path = (os: string) => parseConfig({}, { os }).config.server.socketPath;
  assert.equal(path("darwin"), "/var/run/ngrokd/ngrokd.sock");
  assert.equal(path("windows"), "\\\\.\\pipe\\ngrokd");
});

const NAMES = fc.constantFrom(
  ...[...SECTIONS.values()].flatMap((names) => [...names]),
  ...["__proto__", "constructor", "a.example"],
);
/** `fc.webUrl()` computes for seconds before it gives its first one. */
const URLS = fc.tuple(fc.constantFrom("http", "https", "ftp"), fc.domain(), fc.string({ maxLength: 8 }))
  .map(([scheme, host, path]) => `${scheme}://${host}/${path}`);

const ANYTHING = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.jsonValue({ maxDepth: 1 }),
    fc.dictionary(NAMES, tie("value"), { maxKeys: 6 }),
    URLS,
    fc.ipV4(),
  ),
})).value;

Deno.test("parseConfig() gives a usable configuration or a ConfigError for any value", () => {
  fc.assert(
    fc.property(fc.dictionary(NAMES, ANYTHING), (raw) => {
      for (const options of [MACHINE, {}]) {
        try {
          const { config } = parseConfig(raw, options);
          assert(config.server.healthPort >= 1 && config.server.healthPort <= 65535);
          assert(config.boundEndpoints.pollIntervalMs > 0);
          assert.match(config.api.url, /^https?:\/\/[^/]/);
        } catch (error) {
          if (!(error instanceof ConfigError)) throw error;
          assert(error.problems.length > 0);
        }
      }
    }),
    { seed: 7, numRuns: 300 },
  );
});
