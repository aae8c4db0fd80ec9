import assert from "node:assert/strict";
import { parseCidr } from "../../src/lib/ipv4.ts";
import { allocate, type AllocateOptions } from "../../src/sync/allocate.ts";
import { endpoint, endpoints } from "../fakes/endpoints.ts";
import { ANY_NAME, roundSettings } from "../fakes/sync_effects.ts";

function options(fields: Partial<AllocateOptions> = {}): AllocateOptions {
  const interfaces: Record<string, string> = {
    "0.0.0.0": "0.0.0.0",
    eth0: "192.168.1.5",
    "127.0.0.1": "127.0.0.1",
  };
  return { ...roundSettings(), leases: new Map(), resolveInterface: (name) => interfaces[name], ...fields };
}

function routesOf(urls: string[], fields: Partial<AllocateOptions> = {}): string[] {
  return allocate(endpoints(...urls), options(fields)).routes.map((
    { hostname, port, address, localPort, listenInterface: mode },
  ) => `${hostname}:${port} ${address}:${localPort} ${mode}`);
}

Deno.test("allocate() gives every name one virtual address for all its ports", () => {
  assert.deepEqual(routesOf(["http://a.t", "https://a.t", "http://b.t:8080", "https://*.c.t"]), [
    "*.c.t:443 127.107.0.2:443 virtual",
    "a.t:443 127.107.0.3:443 virtual",
    "a.t:80 127.107.0.3:80 virtual",
    "b.t:8080 127.107.0.4:8080 virtual",
  ]);
});

Deno.test("allocate() keeps the API's spelling of a name beside its normal form (R89)", () => {
  const urls = ["http://API.MyApp.:8080", "https://*.A_b.T", "http://xn--Bcher-kva.t", "http://plain.t"];
  const { routes, leases } = allocate(endpoints(...urls), options());
  assert.deepEqual(routes.map(({ hostname, spelling }) => [hostname, spelling]), [
    ["*.a_b.t", "*.A_b.T"],
    ["api.myapp", "API.MyApp."],
    ["plain.t", undefined],
    ["xn--bcher-kva.t", "xn--Bcher-kva.t"],
  ]);
  assert.deepEqual([...leases.keys()].toSorted(), routes.map(({ hostname }) => hostname));
});

Deno.test("allocate() gives every endpoint the address of the interface", () => {
  assert.deepEqual(routesOf(["http://a.t", "http://b.t", "tcp://c.t:5432"], { listenInterface: "eth0" }), [
    "a.t:80 192.168.1.5:80 eth0",
    "b.t:80 192.168.1.5:80 eth0",
    "c.t:5432 192.168.1.5:5432 eth0",
  ]);
});

Deno.test("allocate() takes the override of the exact name, then of the longest wildcard suffix", () => {
  const overrides = { "a.b.t": "eth0", "*.b.t": "0.0.0.0", "*.t": "127.0.0.1" };
  assert.deepEqual(
    routesOf(
      ["http://a.b.t", "http://x.b.t", "http://y.x.b.t", "http://b.t", "http://other", "https://*.b.t"],
      { overrides },
    ),
    [
      "*.b.t:443 0.0.0.0:443 0.0.0.0",
      "x.b.t:80 0.0.0.0:80 0.0.0.0",
      "y.x.b.t:80 0.0.0.0:80 0.0.0.0",
      "a.b.t:80 192.168.1.5:80 eth0",
      "b.t:80 127.0.0.1:80 127.0.0.1",
      "other:80 127.107.0.2:80 virtual",
    ],
  );
});

Deno.test("allocate() lets an override make one name virtual", () => {
  assert.deepEqual(
    routesOf(["http://a.t", "http://b.t"], { listenInterface: "0.0.0.0", overrides: { "b.t": "virtual" } }),
    [
      "a.t:80 0.0.0.0:80 0.0.0.0",
      "b.t:80 127.107.0.2:80 virtual",
    ],
  );
});

Deno.test("allocate() finds no override for names like those of an object's methods", () => {
  assert.deepEqual(
    routesOf(["http://constructor", "http://tostring", "http://__proto__"]).map((route) =>
      route.split(" ")[2]
    ),
    ["virtual", "virtual", "virtual"],
  );
});

Deno.test("allocate() puts tcp last, so that http, https and tls get a port that both want", () => {
  const urls = ["tcp://a.t:443", "tls://*.z.t:443", "tcp://b.t:80", "https://y.t", "https://x.t"];
  const { routes } = allocate(endpoints(...urls), options({ listenInterface: "0.0.0.0" }));
  assert.deepEqual(routes.map(({ scheme }) => scheme === "tcp"), [false, false, false, true, true]);
  assert.deepEqual(routes.map(({ hostname }) => hostname), ["*.z.t", "x.t", "y.t", "a.t", "b.t"]);
});

Deno.test("allocate() makes one route of a pool", () => {
  const { routes } = allocate([endpoint("http://a.t", "ep_2"), endpoint("http://a.t", "ep_1")], options());
  assert.deepEqual(routes.map(({ endpointIds }) => endpointIds), [["ep_1", "ep_2"]]);
});

Deno.test("allocate() refuses every member for which no address is left, and serves the others", () => {
  const list = [
    endpoint("http://a.t", "ep_1"),
    endpoint("http://b.t", "ep_2"),
    endpoint("http://b.t", "ep_3"),
    endpoint("https://b.t", "ep_4"),
  ];
  const { routes, refused, leases } = allocate(list, options({ subnet: parseCidr("127.107.0.0/30")! }));
  assert.deepEqual(routes.map(({ hostname }) => hostname), ["a.t"]);
  assert.deepEqual(refused.map(({ id }) => id).sort(), ["ep_2", "ep_3", "ep_4"]);
  assert.match(
    refused[0]!.reason,
    /no address is left in 127\.107\.0\.0\/30; give net\.subnet a larger network/,
  );
  assert.equal(leases.size, 1);
});

Deno.test("allocate() refuses an endpoint whose interface does not exist, and serves the others", () => {
  const { routes, refused } = allocate(
    endpoints("http://a.t", "http://b.t"),
    options({ overrides: { "a.t": "wlan9" } }),
  );
  assert.deepEqual(routes.map(({ hostname }) => hostname), ["b.t"]);
  assert.deepEqual(refused, [{
    id: "ep_00000",
    url: "http://a.t",
    reason: 'this machine has no interface or address "wlan9"',
  }]);
});

Deno.test("allocate() refuses a name by the policy, and serves the others with its notes", () => {
  const names = {
    ...ANY_NAME,
    judge: (name: string) => name === "host.t" ? { refused: "it is taken" } : { note: "it is odd" },
  };
  const { routes, refused, notes } = allocate(endpoints("http://host.t", "http://b.t"), options({ names }));
  assert.deepEqual(routes.map(({ hostname }) => hostname), ["b.t"]);
  assert.deepEqual(refused, [{
    id: "ep_00000",
    url: "http://host.t",
    reason: "it is taken",
  }]);
  assert.deepEqual([...notes], [["b.t", "it is odd"]]);
});

Deno.test("allocate() spreads names only over addresses of their interface, and none that is pinned", () => {
  const [one, two] = ["192.168.1.5", "192.168.1.6"];
  const spread = (modes: Record<string, string>, fields: Partial<AllocateOptions> = {}) => {
    const names = Object.keys(modes);
    const { routes, ...plan } = allocate(
      endpoints(...names.map((name) => `https://${name}`)),
      options({
        overrides: modes,
        advertiseIps: [one, two],
        presentIps: [{ interface: "eth1", address: one }, { interface: "eth0:1", address: two }],
        resolveInterface: (name) => ({ eth0: "192.168.1.4", eth1: one })[name] ?? name,
        ...fields,
      }),
    );
    const found = names.map((name) => routes.find(({ hostname }) => hostname === name)!);
    return { rows: found.map(({ address, advertisedIp = "-" }) => `${address} ${advertisedIp}`), plan };
  };
  for (
    const [mode, expected] of [
      ["0.0.0.0", [`0.0.0.0 ${one}`, `0.0.0.0 ${two}`]],
      ["eth0", [`${two} ${two}`, `${two} ${two}`]],
      ["eth1", [`${one} ${one}`, `${one} ${one}`]],
      ["10.8.0.1", ["10.8.0.1 -", "10.8.0.1 -"]],
      ["127.0.0.1", ["127.0.0.1 -", "127.0.0.1 -"]],
      ["lo", ["lo -", "lo -"]],
    ] as const
  ) {
    assert.deepEqual(spread({ "a.b.t": mode, "c.b.t": mode }).rows, expected, mode);
  }
  assert.deepEqual(
    spread({ "a.b.t": one, "c.b.t": "0.0.0.0" }).rows,
    [`${one} -`, `0.0.0.0 ${two}`],
    "a name avoids the address that the user gave to another one",
  );
  // The interface has none of them.
  assert.deepEqual(spread({ "a.t": "eth0" }, { presentIps: [{ interface: "eth1", address: one }] }).rows, [
    "192.168.1.4 -",
  ]);
  // A name that was spread over all addresses is pinned later.
  const { plan } = spread({ "a.b.t": "0.0.0.0", "c.b.t": "0.0.0.0" });
  const pinned = spread({ "a.b.t": "eth0", "c.b.t": "10.8.0.1" }, { spread: plan.spread }).rows;
  assert.deepEqual(pinned, [`${two} ${two}`, "10.8.0.1 -"]);
});

Deno.test("allocate() takes the spread address from a name that is no longer https or tls", () => {
  const shared = { listenInterface: "0.0.0.0", advertiseIps: ["192.168.1.5"] };
  const fields = options({ ...shared, presentIps: [{ interface: "eth0", address: "192.168.1.5" }] });
  const { spread } = allocate(endpoints("https://a.t", "http://a.t"), fields);
  const { routes } = allocate(endpoints("http://a.t"), { ...fields, spread });
  assert.deepEqual(routes.map(({ advertisedIp }) => advertisedIp), [undefined]);
});

// An endpoint tcp://x:22 opened 0.0.0.0:22 (R58).
Deno.test("allocate() refuses system ports in network mode, unless they are allowed", () => {
  const urls = [
    "tcp://a.t:22",
    "tcp://b.t:389",
    "tcp://c.t:1024",
    "tcp://d.t:53",
    "http://e.t",
    "tcp://v.t:22",
  ];
  const listening = options({
    listenInterface: "0.0.0.0",
    overrides: { "v.t": "virtual" },
    allowPorts: [389],
  });
  const { routes, refused } = allocate(endpoints(...urls), listening);
  assert.deepEqual(routes.map(({ hostname }) => hostname), ["e.t", "b.t", "c.t", "d.t", "v.t"]);
  const reason = "port 22 of this machine is a system port; to serve it, add 22 to net.allow_ports";
  assert.deepEqual(refused, [{ id: "ep_00000", url: "tcp://a.t:22", reason }]);
});

Deno.test("allocate() keeps the leases of names that are absent or no longer virtual", () => {
  const leases = new Map([["a.t", "127.107.0.7"], ["away.t", "127.107.0.8"]]);
  const plan = allocate(endpoints("http://a.t"), options({ leases, listenInterface: "0.0.0.0" }));
  assert.deepEqual([...plan.leases], [...leases]);
});

Deno.test("allocate() refuses endpoints whose scheme conflicts with an older one", () => {
  const { refused } = allocate([endpoint("tls://a.t", "ep_2"), endpoint("https://a.t", "ep_1")], options());
  assert.deepEqual(refused.map(({ id }) => id), ["ep_2"]);
});
