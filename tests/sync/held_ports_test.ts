import assert from "node:assert/strict";
import { parseCidr } from "../../src/lib/ipv4.ts";
import type { RoundSettings } from "../../src/sync/round.ts";
import { endpoints } from "../fakes/endpoints.ts";
import type { FakeWorld } from "../fakes/sync_effects.ts";
import { captureLog } from "../fakes/captured_log.ts";
import { ANY_NAME, roundSettings } from "../fakes/sync_effects.ts";
import { found, NEVER, TestLoop } from "../fakes/sync_loop.ts";

/** URL → state and listener, `""` without one. */
type States = Record<string, string>;

/** Polls a list of these URLs on a machine where some ports are held. */
async function poll(
  urls: readonly string[],
  prepare: (world: FakeWorld) => void,
  settings: Partial<RoundSettings> = {},
): Promise<TestLoop> {
  const test = new TestLoop([found(...urls)]);
  test.settings = roundSettings({ resolveInterface: (name) => name, ...settings });
  prepare(test.world);
  await test.loop.poll(NEVER);
  return test;
}

function statesOf({ loop }: TestLoop): States {
  return Object.fromEntries(loop.outcomes.map(({ endpoint, state, route }) => [
    endpoint.url,
    route === undefined ? state : `${state} ${route.address}:${route.localPort}`,
  ]));
}

const PG = "tcp://pg.t:5432";
const WEB = "http://pg.t";

const NAMES: Record<string, {
  readonly urls: readonly string[];
  readonly prepare: (world: FakeWorld) => void;
  readonly settings?: Partial<RoundSettings>;
  readonly states: States;
  /** The names in the hosts file. */
  readonly published: readonly string[];
  /** The names that DNS must not answer. */
  readonly withheld: readonly string[];
}> = {
  "all own ports are served": {
    urls: [PG, WEB],
    prepare: () => {},
    states: { [PG]: "active 127.107.0.2:5432", [WEB]: "active 127.107.0.2:80" },
    published: ["pg.t"],
    withheld: [],
  },
  "one port is held everywhere": {
    urls: [PG, WEB, "http://other.t"],
    prepare: (world) => void world.heldPorts.add(5432),
    states: {
      [PG]: "degraded 127.107.0.3:9080",
      [WEB]: "degraded 127.107.0.3:80",
      "http://other.t": "active 127.107.0.2:80",
    },
    published: ["other.t"],
    withheld: ["pg.t"],
  },
  "moved ports are published": {
    urls: [PG],
    prepare: (world) => void world.heldPorts.add(5432),
    settings: { publishMovedPorts: true },
    states: { [PG]: "active 127.107.0.2:9080" },
    published: ["pg.t"],
    withheld: [],
  },
  "the held port is redirected": {
    urls: [PG],
    prepare(world) {
      world.heldPorts.add(5432);
      world.noRedirects = undefined;
    },
    states: { [PG]: "active 127.107.0.2:9080" },
    published: ["pg.t"],
    withheld: [],
  },
  "redirects are off": {
    urls: [PG],
    prepare(world) {
      world.heldPorts.add(5432);
      world.noRedirects = undefined;
    },
    settings: { redirectHeldPorts: "off" },
    states: { [PG]: "degraded 127.107.0.2:9080" },
    published: [],
    withheld: ["pg.t"],
  },
  "no listener can be opened": {
    urls: [PG, WEB],
    prepare: (world) => void world.unbindable.set("127.107.0.2:80", "denied"),
    states: { [PG]: "degraded 127.107.0.2:5432", [WEB]: "failed" },
    published: [],
    withheld: ["pg.t"],
  },
  "a port of a wildcard is held": {
    urls: ["https://*.w.t", "https://a.w.t:8443"],
    prepare: (world) => void world.heldPorts.add(443),
    states: { "https://*.w.t": "degraded 127.107.0.2:9080", "https://a.w.t:8443": "active 127.107.0.3:8443" },
    published: ["a.w.t"],
    withheld: ["*.w.t"],
  },
  "network mode: a tcp port has moved, and a shared one has none": {
    urls: ["tcp://a.t:5432", "tcp://b.t:5432", "http://c.t", "https://d.t"],
    prepare(world) {
      world.unbindable.set("0.0.0.0:80", "in_use");
      world.noRedirects = undefined;
    },
    settings: { listenInterface: "0.0.0.0" },
    states: {
      "tcp://a.t:5432": "active 0.0.0.0:5432",
      "tcp://b.t:5432": "degraded 0.0.0.0:9080",
      "http://c.t": "failed",
      "https://d.t": "active 0.0.0.0:443",
    },
    published: [],
    withheld: ["b.t", "c.t"],
  },
  "network mode: a system port is refused": {
    urls: ["tcp://x.t:22", "http://x.t"],
    prepare: () => {},
    settings: { listenInterface: "0.0.0.0" },
    states: { "http://x.t": "degraded 0.0.0.0:80" },
    published: [],
    withheld: ["x.t"],
  },
  "a name below a wildcard has no interface": {
    urls: ["http://*.w.t", "tcp://a.w.t:5432"],
    prepare: () => {},
    settings: { overrides: { "a.w.t": "eth9" }, resolveInterface: () => undefined },
    states: { "http://*.w.t": "active 127.107.0.2:80" },
    published: [],
    withheld: ["a.w.t"],
  },
  "a name below a wildcard has no address left": {
    urls: ["http://*.w.t", ...Array.from({ length: 5 }, (_, index) => `tcp://${"abcde"[index]}.w.t:5432`)],
    prepare: () => {},
    settings: { subnet: parseCidr("127.107.0.0/29")! },
    states: {
      "http://*.w.t": "active 127.107.0.2:80",
      ...Object.fromEntries(
        ["a", "b", "c", "d"].map((
          name,
          index,
        ) => [`tcp://${name}.w.t:5432`, `active 127.107.0.${index + 3}:5432`]),
      ),
    },
    published: ["a.w.t", "b.w.t", "c.w.t", "d.w.t"],
    withheld: ["e.w.t"],
  },
  // The endpoint is none of ours: its name leads where it led before.
  "the policy refuses a name": {
    urls: ["tcp://bad.t:5432", WEB],
    prepare: () => {},
    settings: { names: { ...ANY_NAME, judge: (name) => name === "bad.t" ? { refused: "reserved" } : {} } },
    states: { [WEB]: "active 127.107.0.2:80" },
    published: ["pg.t"],
    withheld: [],
  },
};

for (const [name, { urls, prepare, settings, states, published, withheld }] of Object.entries(NAMES)) {
  Deno.test(`a name resolves only while its own ports are served: ${name}`, async () => {
    const test = await poll(urls, prepare, settings);
    assert.deepEqual(statesOf(test), states);
    assert.deepEqual([...test.world.published.keys()], published);
    assert.deepEqual([...test.world.table.withheld.keys()].sort(), withheld);
  });
}

// The kernel led the port to one where nobody listened any more.
Deno.test("a name does not resolve while a redirect of its port could not be removed", async () => {
  const ports: Record<string, (world: FakeWorld) => void> = {
    "of this run": (world) => world.leftRedirects.set("127.107.0.2:5432", "nft failed"),
    "of an earlier run": (world) => void (world.faults.redirect = new Error("nft failed")),
  };
  for (const [run, prepare] of Object.entries(ports)) {
    const test = await poll([PG], prepare);
    const { world, loop } = test;
    assert.deepEqual([...world.published], [], run);
    assert.deepEqual(loop.outcomes.map(({ state, reason }) => [state, reason]), [
      ["degraded", "a redirect of port 5432 may remain: nft failed; the name does not resolve"],
    ]);
    const { publish } = world.names;
    const meanwhile: string[] = [];
    world.names.publish = (names, revision) => {
      meanwhile.push(...names.keys());
      return publish(names, revision);
    };
    // A round that is not idle.
    test.answers[0] = found(PG, "http://new.t");
    await loop.poll(NEVER);
    assert.ok(!meanwhile.includes("pg.t"), "not even for a moment");
    world.names.publish = publish;
    world.leftRedirects.clear();
    delete world.faults.redirect;
    await loop.poll(NEVER);
    assert.equal(world.published.get("pg.t"), "127.107.0.2", run);
  }
});

Deno.test("a degraded endpoint says which port is held, how to find the program, and what works now", async () => {
  await using logged = await captureLog();
  const { loop } = await poll([PG, WEB], (world) => void world.heldPorts.add(5432));
  const reasons = loop.outcomes.map(({ reason }) => reason);
  assert.deepEqual(reasons, [
    "port 5432 is in use on 127.107.0.2, listening on 9080; not redirected: nft is not installed; " +
    "the name does not resolve; use tcp://127.107.0.2:9080; to see the program: sudo ss -ltnp 'sport = :5432'",
    "the name does not resolve, because ngrokd does not serve pg.t:5432; use http://127.107.0.2:80",
  ]);
  await loop.poll(NEVER);
  const lines = logged.lines("warning").filter((line) => line.startsWith("Serving"));
  assert.deepEqual(lines, [
    `Serving ${PG} by its address only: ${reasons[0]}`,
    `Serving ${WEB} by its address only: ${reasons[1]}`,
  ]);
});

const ACCESS: readonly (readonly [url: string, listenInterface: string, access: string])[] = [
  ["tcp://a.t:5432", "virtual", "tcp://127.107.0.2:9080"],
  ["http://a.t", "virtual", "http://127.107.0.2:9080"],
  ["https://a.t", "virtual", "curl --connect-to a.t:443:127.107.0.2:9080 https://a.t:443"],
  ["tls://a.t:8443", "virtual", "openssl s_client -connect 127.107.0.2:9080 -servername a.t"],
  ["http://*.a.t", "virtual", "curl --connect-to any.a.t:80:127.107.0.2:9080 http://any.a.t:80"],
  ["tcp://a.t:5432", "0.0.0.0", "tcp://127.0.0.1:5432"],
  ["http://a.t", "0.0.0.0", "curl --connect-to a.t:80:127.0.0.1:80 http://a.t:80"],
  ["https://a.t", "0.0.0.0", "curl --connect-to a.t:443:127.0.0.1:443 https://a.t:443"],
  ["tls://*.a.t:443", "0.0.0.0", "openssl s_client -connect 127.0.0.1:443 -servername any.a.t"],
];

for (const [url, listenInterface, access] of ACCESS) {
  Deno.test(`a degraded ${url} on ${listenInterface} says how to reach it`, async () => {
    const { hostname } = endpoints(url)[0]!;
    // In network mode another endpoint withholds the name.
    const others = listenInterface === "virtual" ? [] : [`tcp://${hostname}:22`];
    const { loop } = await poll([url, ...others], (world) => {
      if (listenInterface === "virtual") {
        for (const port of [80, 443, 5432, 8443]) world.heldPorts.add(port);
      }
    }, { listenInterface });
    assert.equal(/; use ([^;]*)/.exec(loop.outcomes[0]!.reason)![1], access);
  });
}

Deno.test("the command for the program that holds a port is one of the operating system", async () => {
  for (const [os, command] of [["linux", "sudo ss -ltnp"], ["darwin", "sudo lsof -nP -iTCP:5432"]] as const) {
    const { loop } = await poll([PG], (world) => void world.heldPorts.add(5432), { os });
    assert.ok(loop.outcomes[0]!.reason.includes(`to see the program: ${command}`));
  }
});

Deno.test("a name whose port is held on its very address gets another one, which is saved first", async () => {
  const { world, loop } = await poll(
    [PG, WEB, "http://other.t"],
    (world) => void world.unbindable.set("127.107.0.3:80", "in_use"),
  );
  assert.deepEqual([...world.published], [["other.t", "127.107.0.2"], ["pg.t", "127.107.0.4"]]);
  assert.deepEqual([...world.open].sort(), ["127.107.0.2:80", "127.107.0.4:5432", "127.107.0.4:80"]);
  assert.ok(loop.outcomes.every(({ state, reason }) => state === "active" && reason === ""));
  assert.equal(world.saves.at(-2)!.leases.get("pg.t"), "127.107.0.4", "it is saved before it is bound");
  assert.equal(world.saves.at(-1)!.ports.size, 0);
});

// The endpoint that had moved there kept the port, and the name of both was withheld for ever.
Deno.test("an endpoint gets its own port on its virtual address from one that has moved there", async () => {
  const test = await poll([PG], (world) => {
    world.heldPorts.add(5432);
    world.noRedirects = undefined;
  });
  const next = "tcp://pg.t:9080";
  test.answers[0] = found(PG, next);
  for (let round = 0; round < 2; round++) {
    await test.loop.poll(NEVER);
    assert.deepEqual(statesOf(test), {
      [PG]: "active 127.107.0.2:9081",
      [next]: "active 127.107.0.2:9080",
    });
    assert.deepEqual([...test.world.published.keys()], ["pg.t"]);
  }
});

// Whoever waited for the port took the connections of clients that knew the old address.
Deno.test("the listeners of the old address close only after the name has moved", async () => {
  const test = await poll([PG], () => {});
  const { world, loop } = test;
  world.unbindable.set("127.107.0.2:80", "in_use");
  test.answers[0] = found(PG, WEB);
  const { publish } = world.names;
  const openThen: string[] = [];
  world.names.publish = (names, revision) => {
    openThen.push(...world.open);
    return publish(names, revision);
  };
  await loop.poll(NEVER);
  assert.deepEqual([...world.published], [["pg.t", "127.107.0.3"]]);
  assert.ok(openThen.includes("127.107.0.2:5432"));
  assert.ok(!world.open.has("127.107.0.2:5432"));
});

// list said that the name does not resolve, while its old line was still there.
Deno.test("a degraded endpoint says that its name could not be removed, until it is", async () => {
  const { world, loop } = await poll([PG], (world) => {
    world.heldPorts.add(5432);
    world.names.problem = "Cannot write /etc/hosts: the disk is full";
  });
  const reasonOf = () => loop.outcomes[0]!.reason;
  assert.match(reasonOf(), /; cannot remove the name: Cannot write \/etc\/hosts: the disk is full; use tcp:/);
  world.names.problem = undefined;
  await loop.poll(NEVER);
  assert.match(reasonOf(), /; the name does not resolve; use tcp:/);
});

// Whoever waited for the port took the connections of clients that had the name's address.
Deno.test("listeners and redirects of an endpoint that is gone end only after its name", async () => {
  for (const isHeld of [false, true]) {
    const test = await poll([PG, "http://b.t"], (world) => {
      world.noRedirects = undefined;
      if (isHeld) world.heldPorts.add(5432);
    });
    const { world, loop } = test;
    const steps: string[] = [];
    const { close } = world.listeners;
    const { publish } = world.names;
    const { ensure } = world.redirects;
    world.listeners.close = (key) => (steps.push(`close ${key}`), close(key));
    world.names.publish = (
      names,
      revision,
    ) => (steps.push(`names ${[...names.keys()]}`), publish(names, revision));
    world.redirects.ensure = (redirects) => (steps.push(`redirects ${redirects.length}`), ensure(redirects));
    test.answers[0] = found("http://b.t");
    await loop.poll(NEVER);
    assert.deepEqual(
      steps,
      isHeld
        ? ["names b.t", "redirects 0", "names b.t", "close 127.107.0.3:9080"]
        : ["redirects 0", "names b.t", "close 127.107.0.3:5432"],
    );
  }
});

Deno.test("a port that is held everywhere keeps no name from an address where its other port is free", async () => {
  const { world } = await poll([PG, WEB], (world) => {
    world.heldPorts.add(5432);
    world.unbindable.set("127.107.0.2:80", "in_use");
    world.noRedirects = undefined;
  });
  const address = world.published.get("pg.t")!;
  assert.notEqual(address, "127.107.0.2");
  assert.deepEqual(world.redirected, [{ address, from: 5432, to: 9080 }]);
  assert.ok(world.open.has(`${address}:80`));
});

Deno.test("a port that is held on every address costs three attempts, however many names have it", async () => {
  const urls = Array.from({ length: 500 }, (_, index) => `http://e${index}.t`);
  const { world } = await poll(urls, (world) => void world.heldPorts.add(80));
  const own = world.bindAttempts.filter((key) => key.endsWith(":80"));
  assert.equal(own.length, 503);
});

Deno.test("holding hundreds of addresses costs a round 256 attempts at most; later rounds go on", async () => {
  const test = new TestLoop([{
    ...found(),
    endpoints: endpoints(...Array.from({ length: 400 }, (_, index) => `http://e${index}.t`)),
  }]);
  await test.loop.poll(NEVER);
  // From here on, new addresses are others.
  test.settings = roundSettings({ random: Math.random });
  for (let host = 2; host < 402; host++) {
    test.world.unbindable.set(`127.107.${host >> 8}.${host & 255}:80`, "in_use");
  }
  const counts: number[] = [];
  for (const key of test.world.open) test.world.open.delete(key);
  for (let round = 0; round < 3; round++) {
    await test.loop.poll(NEVER);
    counts.push(test.world.published.size);
  }
  assert.ok(counts[0]! > 200 && counts[0]! <= 256, String(counts));
  assert.deepEqual(counts.slice(1), [400, 400]);
});
