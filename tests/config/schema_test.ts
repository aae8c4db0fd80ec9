import assert from "node:assert/strict";
import fc from "fast-check";
import { type Config, DEFAULTS } from "../../src/config/config.ts";
import { parseConfig, type ParseOptions } from "../../src/config/schema.ts";
import { problemText } from "../../src/config/validation_error.ts";
import { ConfigError, type ConfigProblem } from "../../src/model/errors.ts";
import { showProxy } from "../../src/model/proxy.ts";

const MACHINE: ParseOptions = {
  interfaces:
    () => [{ interface: "lo", address: "127.0.0.1" }, { interface: "eth0", address: "192.168.1.5" }],
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

Deno.test("parseConfig() gives the defaults for nothing, for empty sections, and for zero and empty values", () => {
  const empty = {
    api: { url: "", key: null },
    ingressEndpoint: "",
    server: { log_level: "", cert_refresh_interval: 0, health_port: 0, health_address: null, ingress_ca: "" },
    bound_endpoints: { poll_interval: 0, selectors: [] },
    net: {
      subnet: "",
      start_port: 0,
      overrides: {},
      listen_interface: null,
      allow_cidrs: [],
      advertise_ip: "",
    },
    dns: { enabled: null, upstream: null, listen: "", manage_resolv_conf: null },
  };
  for (const raw of [undefined, null, {}, "", { api: null, server: "", net: {}, dns: null }, empty]) {
    assert.deepEqual(parseConfig(raw), { config: DEFAULTS, warnings: [] });
  }
});

Deno.test("parseConfig() reads every key", () => {
  const { config, warnings } = parseConfig({
    api: { url: "https://api.example.com:8443/v1//", key: "2abc_DEF" },
    ingressEndpoint: "Ingress.Example.com:8443",
    proxy_url: "http://us%40er:p%C3%A4ss%3A@Proxy.Example.com:3128",
    server: {
      log_level: "debug",
      log_format: "json",
      socket_path: "/tmp/s.sock",
      client_cert: "/tmp/c.crt",
      client_key: "/tmp/c.key",
      cert_refresh_interval: 60,
      health_address: "0.0.0.0",
      health_port: 9000,
      ingress_ca: "/tmp/ca.pem",
    },
    bound_endpoints: { poll_interval: 5, selectors: ["endpoint.metadata.name == 'a'", true] },
    net: {
      interface_name: "my-if.0",
      subnet: "10.9.8.7/24",
      listen_interface: "eth0",
      start_port: 10000,
      overrides: { "DB.example.com.": "0.0.0.0", "*.example.com": "virtual" },
      allow_cidrs: ["192.0.2.7/24", "198.51.100.9"],
      advertise_ip: "192.0.2.1",
    },
    dns: {
      enabled: true,
      listen: "127.0.0.1:5353",
      manage_resolv_conf: false,
      upstream: ["9.9.9.9", "localhost:54"],
    },
  }, MACHINE);
  const expected: Config = {
    api: { url: "https://api.example.com:8443/v1", key: "2abc_DEF" },
    ingressEndpoint: { hostname: "ingress.example.com", port: 8443 },
    proxy: {
      scheme: "http",
      hostname: "proxy.example.com",
      port: 3128,
      username: "us@er",
      password: "päss:",
      setting: "proxy_url",
    },
    server: {
      logLevel: "debug",
      logFormat: "json",
      socketPath: "/tmp/s.sock",
      clientCert: "/tmp/c.crt",
      clientKey: "/tmp/c.key",
      certRefreshIntervalMs: 60_000,
      healthAddress: "0.0.0.0",
      healthPort: 9000,
      ingressCa: "/tmp/ca.pem",
    },
    boundEndpoints: { pollIntervalMs: 5000, selectors: ["endpoint.metadata.name == 'a'", "true"] },
    net: {
      interfaceName: "my-if.0",
      subnet: { base: 0x0a090800, prefix: 24 },
      listenInterface: "eth0",
      startPort: 10000,
      overrides: Object.assign(Object.create(null), {
        "db.example.com": "0.0.0.0",
        "*.example.com": "virtual",
      }),
      allowCidrs: [{ base: 0xc0000200, prefix: 24 }, { base: 0xc6336409, prefix: 32 }],
      advertiseIp: "192.0.2.1",
    },
    dns: {
      enabled: true,
      listen: "127.0.0.1:5353",
      manageResolvConf: false,
      upstream: ["9.9.9.9:53", "127.0.0.1:54"],
    },
  };
  assert.deepEqual(config, expected);
  assert.deepEqual(warnings, []);
});

const ACCEPTED: readonly (readonly [raw: object, read: (config: Config) => unknown, expected: unknown])[] = [
  [{ api: { url: "http://localhost:8080/" } }, (c) => c.api.url, "http://localhost:8080"],
  [{ api: { url: "http://127.1" } }, (c) => c.api.url, "http://127.0.0.1"],
  [{ api: { url: "http://[::1]:8080" } }, (c) => c.api.url, "http://[::1]:8080"],
  [{ api: { key: 12345 } }, (c) => c.api.key, "12345"],
  [{ ingressEndpoint: "host.example" }, (c) => c.ingressEndpoint, { hostname: "host.example", port: 443 }],
  [{ proxy_url: "http://10.0.0.1/" }, (c) => c.proxy && showProxy(c.proxy), "http://10.0.0.1:80"],
  [{ proxy_url: "https://Proxy.Example" }, (c) => c.proxy && showProxy(c.proxy), "https://proxy.example:443"],
  [{ proxy_url: "socks5://10.0.0.1" }, (c) => c.proxy && showProxy(c.proxy), "socks5://10.0.0.1:1080"],
  [
    { proxy_url: "socks5h://u:p@proxy.example:80" },
    (c) => c.proxy && showProxy(c.proxy),
    "socks5://proxy.example:80",
  ],
  [{ ingressEndpoint: "127.0.0.1:4443" }, (c) => c.ingressEndpoint, { hostname: "127.0.0.1", port: 4443 }],
  [{ server: { log_level: "WARNING" } }, (c) => c.server.logLevel, "warn"],
  [{ server: { health_address: "localhost" } }, (c) => c.server.healthAddress, "127.0.0.1"],
  [
    { server: { socket_path: "/var/run/ngrokd.sock" } },
    (c) => c.server.socketPath,
    "/run/ngrokd/ngrokd.sock",
  ],
  [{ net: { listen_interface: "0.0.0.0" } }, (c) => c.net.listenInterface, "0.0.0.0"],
  [{ net: { listen_interface: "10.1.2.3" } }, (c) => c.net.listenInterface, "10.1.2.3"],
  [{ dns: { enabled: "yes" } }, (c) => c.dns.enabled, true],
  [{ dns: { manage_resolv_conf: "Off" } }, (c) => c.dns.manageResolvConf, false],
  [{ dns: { listen: ":53" } }, (c) => c.dns.listen, ":53"],
  [{ dns: { listen: "10.0.0.1" } }, (c) => c.dns.listen, "10.0.0.1"],
];

for (const [raw, read, expected] of ACCEPTED) {
  Deno.test(`parseConfig() accepts ${JSON.stringify(raw)}`, () => {
    const { config, warnings } = parseConfig(raw, MACHINE);
    assert.deepEqual(read(config), expected);
    assert.deepEqual(warnings, []);
  });
}

const REFUSED: readonly (readonly [raw: unknown, problem: string])[] = [
  [[], "it is not a map of keys"],
  ["text", "it is not a map of keys"],
  [{ api: "secret" }, "api: it is not a map of keys"],
  [{ server: [] }, "server: it is not a map of keys"],
  [
    { api: { url: "http://api.ngrok.com" } },
    "api.url: http would show the API key to the network (Write https://api.ngrok.com)",
  ],
  [
    { api: { url: "http://localhost.evil.example" } },
    "api.url: http would show the API key to the network (Write https://localhost.evil.example)",
  ],
  [
    { api: { url: "https://secret@api.ngrok.com" } },
    "api.url: it holds a user name or password (The API key belongs in api.key)",
  ],
  [{ api: { url: "api.ngrok.com" } }, "api.url: it is not a URL (Write it like https://api.ngrok.com)"],
  [{ api: { url: "https://a b" } }, "api.url: it is not a URL (Write it like https://api.ngrok.com)"],
  [
    { api: { url: "ftp://a" } },
    `api.url: the scheme "ftp" is not https (Write it like https://api.ngrok.com)`,
  ],
  [
    { api: { url: "https://a/?b" } },
    "api.url: it holds a query or a fragment (Write it like https://api.ngrok.com)",
  ],
  [
    { api: { key: "a b" } },
    "api.key: the key holds white space or a line break (Set it with: ngrokctl set-api-key -)",
  ],
  [{ api: { key: { a: 1 } } }, "api.key: it is not text"],
  [
    { ingressEndpoint: "https://a:443" },
    `ingressEndpoint: "https://a:443" is not host:port (Write it without a scheme)`,
  ],
  [{ ingressEndpoint: "a_b c:1" }, `ingressEndpoint: "a_b c" is not a host name or an IPv4 address`],
  [{ ingressEndpoint: "a:" }, `ingressEndpoint: the port "" is not in 1 to 65535`],
  [{ ingressEndpoint: "a:0" }, `ingressEndpoint: the port "0" is not in 1 to 65535`],
  [
    { server: { log_level: "debgu" } },
    `server.log_level: "debgu" is not debug, info, warn, error or warning (Did you mean "debug"?)`,
  ],
  [{ server: { log_format: "xml" } }, `server.log_format: "xml" is not text or json`],
  [
    { server: { client_cert: "/etc/ngrokd/" } },
    `server.client_cert: "/etc/ngrokd/" is a directory (Name a file in it)`,
  ],
  [
    { server: { client_cert: "/a\nb" } },
    `server.client_cert: "/a\\u000ab" holds a line break or a control character`,
  ],
  [
    { server: { client_cert: "/a", client_key: "/a" } },
    "server.client_key: it is the same file as server.client_cert (Give each a file of its own)",
  ],
  [
    { server: { cert_refresh_interval: -1 } },
    "server.cert_refresh_interval: -1 is not positive (The default is 3600 (seconds))",
  ],
  [
    { server: { cert_refresh_interval: 3e6 } },
    "server.cert_refresh_interval: 3000000 is too long (At most 2147483 seconds)",
  ],
  [
    { server: { health_address: "::1" } },
    `server.health_address: "::1" is not an IPv4 address (The default is 127.0.0.1)`,
  ],
  [
    { server: { health_port: 65536 } },
    "server.health_port: 65536 is not in 1 to 65535 (The default is 8081)",
  ],
  [
    { bound_endpoints: { poll_interval: -5 } },
    "bound_endpoints.poll_interval: -5 is not positive (The default is 30 (seconds))",
  ],
  [{ bound_endpoints: { poll_interval: 1.5 } }, "bound_endpoints.poll_interval: 1.5 is not a whole number"],
  [{ bound_endpoints: { poll_interval: "1m" } }, `bound_endpoints.poll_interval: "1m" is not a whole number`],
  [{ bound_endpoints: { poll_interval: [] } }, "bound_endpoints.poll_interval: it is not a whole number"],
  [{ bound_endpoints: { selectors: "true" } }, "bound_endpoints.selectors: it is not a list"],
  [{ bound_endpoints: { selectors: ["a", ""] } }, "bound_endpoints.selectors.1: it is empty"],
  [{ bound_endpoints: { selectors: [{}] } }, "bound_endpoints.selectors.0: it is not text"],
  [
    { net: { interface_name: "sixteen-letters-" } },
    `net.interface_name: "sixteen-letters-" is not 1 to 15 letters, digits, or _ . - (The default is ngrokd0)`,
  ],
  [
    { net: { interface_name: "-rf" } },
    `net.interface_name: "-rf" is not 1 to 15 letters, digits, or _ . - (The default is ngrokd0)`,
  ],
  [
    { net: { interface_name: ".." } },
    `net.interface_name: ".." is not 1 to 15 letters, digits, or _ . - (The default is ngrokd0)`,
  ],
  [
    { net: { subnet: "10.107.0.0" } },
    `net.subnet: "10.107.0.0" is not of the form a.b.c.d/n (The default is 10.107.0.0/16)`,
  ],
  [{ net: { subnet: "10.0.0.0/7" } }, "net.subnet: /7 is not in /8 to /29 (The default is 10.107.0.0/16)"],
  [{ net: { subnet: "10.0.0.0/30" } }, "net.subnet: /30 is not in /8 to /29 (The default is 10.107.0.0/16)"],
  [
    { net: { subnet: "224.0.0.0/8" } },
    "net.subnet: 224.0.0.0/8 holds no address that a host can have (The default is 10.107.0.0/16)",
  ],
  [
    { net: { listen_interface: "eth1" } },
    `net.listen_interface: "eth1" is not virtual, an IPv4 address, or an interface of this machine that has one (Did you mean "eth0"?)`,
  ],
  [
    { net: { listen_interface: "wireguard" } },
    `net.listen_interface: "wireguard" is not virtual, an IPv4 address, or an interface of this machine that has one (The interfaces are eth0, lo)`,
  ],
  [
    { net: { listen_interface: "::" } },
    `net.listen_interface: "::" is not an IPv4 address (ngrokd listens on IPv4 only, and start_port sets the port)`,
  ],
  [{ net: { allow_cidrs: "10.0.0.0/8" } }, "net.allow_cidrs: it is not a list"],
  [
    { net: { allow_cidrs: ["10.0.0.0/33"] } },
    `net.allow_cidrs.0: "10.0.0.0/33" is not of the form a.b.c.d/n`,
  ],
  [{ net: { allow_cidrs: ["lan"] } }, `net.allow_cidrs.0: "lan" is not of the form a.b.c.d/n`],
  [{ net: { advertise_ip: "0.0.0.0" } }, `net.advertise_ip: "0.0.0.0" is no address that a host can have`],
  [{ net: { advertise_ip: "host" } }, `net.advertise_ip: "host" is not an IPv4 address`],
  [{ net: { start_port: 70000 } }, "net.start_port: 70000 is not in 1 to 65535 (The default is 9080)"],
  [{ net: { overrides: ["a"] } }, "net.overrides: it is not a map of host names to listen interfaces"],
  [
    { net: { overrides: { "a.example:80": "virtual" } } },
    `net.overrides.a.example:80: "a.example:80" is not a host name or *.suffix (Write a.example, without scheme and port)`,
  ],
  [{ net: { overrides: { "a b": "virtual" } } }, `net.overrides.a b: "a b" is not a host name or *.suffix`],
  [
    { net: { overrides: { "a.example": "" } } },
    "net.overrides.a.example: it names no listen interface (Write virtual, an IPv4 address, or an interface)",
  ],
  [
    { net: { overrides: { "a.example": "lo", "A.example": "lo" } } },
    "net.overrides.A.example: the same host stands here twice",
  ],
  [
    { net: { overrides: { "a.example": "eth7" } } },
    `net.overrides.a.example: "eth7" is not virtual, an IPv4 address, or an interface of this machine that has one (Did you mean "eth0"?)`,
  ],
  [{ dns: { enabled: "maybe" } }, `dns.enabled: "maybe" is not true or false`],
  [{ dns: { enabled: 1 } }, `dns.enabled: 1 is not true or false`],
  [{ dns: { listen: "localhost" } }, `dns.listen: "localhost" is not a.b.c.d, a.b.c.d:port or :port`],
  [{ dns: { listen: ":99999" } }, `dns.listen: the port "99999" is not in 1 to 65535`],
  // It was taken, shown in status, and never asked.
  [
    { dns: { upstream: ["dns.example"] } },
    'dns.upstream.0: "dns.example" is not an IPv4 address (A DNS server cannot be asked for by its name)',
  ],
  [{ dns: { upstream: ["1.1.1.1:x"] } }, `dns.upstream.0: the port "x" is not in 1 to 65535`],
];

for (const [raw, problem] of REFUSED) {
  Deno.test(`parseConfig() refuses ${JSON.stringify(raw)}`, () => {
    assert.deepEqual(problemsOf(raw).map(problemText), [problem]);
  });
}

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
});

Deno.test("parseConfig() reports a bad host and its bad target together", () => {
  assert.equal(problemsOf({ net: { overrides: { "a:1": "nowhere" } } }).length, 2);
});

Deno.test("parseConfig() warns about an unknown key at every level and says which was meant", () => {
  const { warnings } = parseConfig({
    ingress_endpoint: "a",
    apis: {},
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
    `poll_interval: ${note} (Did you mean "bound_endpoints.poll_interval"?)`,
    `zzz: ${note}`,
    `a\\u000ab: ${note}`,
    `server.log_levl: ${note} (Did you mean "log_level"?)`,
    `server.start_port: ${note} (Did you mean "net.start_port"?)`,
    `server.net: ${note} (Did you mean "net"?)`,
    `net.overides: ${note} (Did you mean "overrides"?)`,
  ]);
});

Deno.test("parseConfig() takes a number in quotes and warns", () => {
  const { config, warnings } = parseConfig({ net: { start_port: "9090" }, server: { health_port: "0" } });
  assert.equal(config.net.startPort, 9090);
  assert.equal(config.server.healthPort, 8081);
  assert.deepEqual(warnings.map((warning) => warning.path), ["server.health_port", "net.start_port"]);
  assert.equal(problemsOf({ net: { start_port: "09090" } }).length, 1);
});

Deno.test("parseConfig() warns about polls that are too frequent", () => {
  const { config, warnings } = parseConfig({ bound_endpoints: { poll_interval: 4 } });
  assert.equal(config.boundEndpoints.pollIntervalMs, 4000);
  assert.deepEqual(warnings.map((warning) => warning.path), ["bound_endpoints.poll_interval"]);
});

Deno.test("parseConfig() never shows an API key, wherever it was put", () => {
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

Deno.test("parseConfig() takes any interface name where the interfaces are not known", () => {
  assert.equal(parseConfig({ net: { listen_interface: "wlan7" } }).config.net.listenInterface, "wlan7");
});

Deno.test("parseConfig() keeps hosts with the names of object members apart from those members", () => {
  const raw = JSON.parse(`{"net": {"overrides": {"__proto__": "lo", "toString": "virtual"}}}`);
  const { overrides } = parseConfig(raw, MACHINE).config.net;
  assert.deepEqual(Object.entries(overrides), [["__proto__", "lo"], ["tostring", "virtual"]]);
  assert.equal(overrides["constructor"], undefined);
  assert.equal(DEFAULTS.net.overrides["constructor"], undefined);
});

Deno.test("parseConfig() puts the socket where the system has such things", () => {
  const path = (os: string) => parseConfig({}, { os }).config.server.socketPath;
  assert.equal(path("darwin"), "/var/run/ngrokd/ngrokd.sock");
  assert.equal(path("windows"), "\\\\.\\pipe\\ngrokd");
});

const NAMES = fc.constantFrom(
  ...[
    "api",
    "url",
    "key",
    "ingressEndpoint",
    "server",
    "log_level",
    "socket_path",
    "client_cert",
    "health_port",
    "health_address",
  ],
  ...[
    "bound_endpoints",
    "poll_interval",
    "selectors",
    "net",
    "subnet",
    "listen_interface",
    "overrides",
    "dns",
    "upstream",
    "listen",
  ],
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

Deno.test("parseConfig() gives a usable configuration or a ConfigError, whatever it reads", () => {
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
