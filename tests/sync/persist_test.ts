import assert from "node:assert/strict";
import { cpuTimeMs } from "../fakes/cpu_time.ts";
import fc from "fast-check";
import { FileError, type FileFailure } from "../../src/model/errors.ts";
import type { SavedState } from "../../src/sync/effects.ts";
import { StateStore } from "../../src/sync/persist.ts";
import type { StateFiles } from "../../src/system/json_file.ts";
import * as files from "../../src/system/files.ts";
import { captureLog } from "../fakes/captured_log.ts";
import { endpoints } from "../fakes/endpoints.ts";
import { NOTHING_SAVED } from "../fakes/sync_effects.ts";

const LEASES =
  '{\n  "a.t": "10.107.0.3",\n  "db.internal": "10.107.0.2",\n  "wildcard:example.com": "10.107.0.4"\n}';
const PORTS = '{\n  "a.t:5432": 9080,\n  "b.t:22": 9081\n}';
const LIST = JSON.stringify({ schema: 1, endpoints: [{ id: "ep_1", url: "http://a.t" }] }, null, 2);
const LEASES_PATH = "/s/ip_mappings.json";

/** Files in memory below `/s`. */
class FakeFiles implements StateFiles {
  readonly texts: Map<string, string>;
  /** The path of each write. */
  readonly writes: string[] = [];
  readonly modes = new Set<number>();
  /** Path → the reason why it cannot be read or written. */
  readonly faults = new Map<string, FileFailure>();

  constructor(texts: Record<string, string> = {}) {
    this.texts = new Map(Object.entries(texts).map(([name, text]) => [`/s/${name}`, text]));
  }

  readOwn(path: string): Promise<string> {
    const text = this.texts.get(path);
    const fault = this.faults.get(path) ?? (text === undefined ? "missing" : undefined);
    return fault === undefined ? Promise.resolve(text!) : fail("read", path, fault);
  }

  writeFileAtomic(path: string, text: string, { mode }: { mode: number }): Promise<void> {
    this.writes.push(path);
    this.modes.add(mode);
    const fault = this.faults.get(path);
    if (fault !== undefined) return fail("write", path, fault);
    this.texts.set(path, text);
    return Promise.resolve();
  }

  renameFile(from: string, to: string): Promise<void> {
    const text = this.texts.get(from);
    const fault = this.faults.get(to) ?? (text === undefined ? "missing" : undefined);
    if (fault !== undefined) return fail("rename", from, fault);
    this.texts.set(to, text!);
    this.texts.delete(from);
    return Promise.resolve();
  }

  removeFile(): Promise<void> {
    throw new Error("the store removes no file");
  }
}

function fail(verb: string, path: string, reason: FileFailure): Promise<never> {
  return Promise.reject(new FileError(`Cannot ${verb} ${path}: ${reason}`, { path, reason }));
}

function load(texts: Record<string, string>) {
  return new StateStore("/s", new FakeFiles(texts)).load();
}

Deno.test("StateStore.load() of an empty directory is an empty state without problems", async () => {
  assert.deepEqual(await load({}), { state: NOTHING_SAVED, problems: [] });
});

Deno.test("StateStore reads the files of the Go daemon, and writes them back byte for byte", async () => {
  const directory = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${directory}/ip_mappings.json`, LEASES, { mode: 0o644 });
    await Deno.writeTextFile(`${directory}/network_ports.json`, PORTS, { mode: 0o644 });
    const { state, problems } = await new StateStore(directory, files).load();
    assert.deepEqual(problems, []);
    assert.deepEqual([...state.leases], [["a.t", "10.107.0.3"], ["db.internal", "10.107.0.2"], [
      "*.example.com",
      "10.107.0.4",
    ]]);
    assert.deepEqual([...state.ports], [["a.t:5432", 9080], ["b.t:22", 9081]]);
    await new StateStore(directory, files).save(state);
    assert.equal(await Deno.readTextFile(`${directory}/ip_mappings.json`), LEASES);
    assert.equal(await Deno.readTextFile(`${directory}/network_ports.json`), PORTS);
    assert.equal((await Deno.stat(`${directory}/ip_mappings.json`)).mode! & 0o777, 0o644);
    assert.deepEqual((await Array.fromAsync(Deno.readDir(directory))).map(({ name }) => name).sort(), [
      "ip_mappings.json",
      "network_ports.json",
    ]);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("StateStore.save() writes empty tables as the Go daemon does", async () => {
  const fake = new FakeFiles();
  await new StateStore("/s", fake).save({ ...NOTHING_SAVED, endpoints: [] });
  assert.equal(fake.texts.get(LEASES_PATH), "{}");
  assert.equal(fake.texts.get("/s/network_ports.json"), "{}");
  assert.deepEqual([...fake.modes], [0o644]);
});

Deno.test("StateStore.load() returns what was saved, with the leases in their order", async () => {
  const name = fc.stringMatching(/^[a-z]{1,5}\.t$/);
  const lease = fc.uniqueArray(fc.tuple(fc.oneof(name, name.map((text) => `*.${text}`)), fc.ipV4()), {
    selector: ([text]) => text,
  });
  await fc.assert(
    fc.asyncProperty(
      lease,
      fc.uniqueArray(fc.tuple(name, fc.integer({ min: 1, max: 65535 })), { selector: ([text]) => text }),
      async (leases, ports) => {
        const unique = leases.filter(([, address], index) =>
          leases.findIndex(([, other]) => other === address) === index
        );
        const state: SavedState = {
          leases: new Map(unique),
          ports: new Map(ports.map(([text, port]) => [`${text}:80`, port])),
          endpoints: endpoints("http://a.t", "tls://*.b.t", "tcp://c.t:22"),
        };
        const fake = new FakeFiles();
        await new StateStore("/s", fake).save(state);
        const loaded = await new StateStore("/s", fake).load();
        assert.deepEqual(loaded, { state, problems: [] });
        assert.deepEqual([...loaded.state.leases], [...state.leases]);
      },
    ),
    { seed: 20260113, numRuns: 100 },
  );
});

Deno.test("StateStore keeps the names over net.advertise_ips in their order, without bad entries", async () => {
  const fake = new FakeFiles();
  const spread = {
    addresses: ["192.0.2.1", "192.0.2.2"],
    names: new Map([["b.t", "192.0.2.2"], ["*.a.t", "192.0.2.1"], ["a.t", "192.0.2.2"]]),
  };
  await new StateStore("/s", fake).save({ ...NOTHING_SAVED, spread });
  const { state } = await new StateStore("/s", fake).load();
  assert.deepEqual(state.spread, spread);
  assert.deepEqual([...state.spread!.names], [...spread.names]);
  const bad = {
    schema: 1,
    addresses: ["192.0.2.1", "host"],
    names: { "a.t": "192.0.2.1", "a b": "", "c.t": 1 },
  };
  const loaded = await new StateStore("/s", new FakeFiles({ "advertised_ips.json": JSON.stringify(bad) }))
    .load();
  assert.deepEqual(loaded.state.spread, { addresses: ["192.0.2.1"], names: new Map([["a.t", "192.0.2.1"]]) });
  assert.deepEqual(loaded.problems, [
    "advertised_ips.json: an entry is not an address",
    'advertised_ips.json: "a b" is not a host name',
    'advertised_ips.json: "c.t" has no address',
  ]);
});

Deno.test("StateStore.save() writes only what has changed, also after a start", async () => {
  const fake = new FakeFiles({ "ip_mappings.json": LEASES, "network_ports.json": PORTS });
  const store = new StateStore("/s", fake);
  const { state } = await store.load();
  await store.save(state);
  assert.deepEqual(fake.writes, []);
  for (let save = 0; save < 2; save++) {
    await store.save({ ...state, ports: new Map() });
    assert.deepEqual(fake.writes, ["/s/network_ports.json"]);
  }
});

Deno.test("StateStore.save() writes no list before there is one", async () => {
  const fake = new FakeFiles();
  await new StateStore("/s", fake).save(NOTHING_SAVED);
  assert.equal(fake.texts.has("/s/endpoints.json"), false);
});

Deno.test("StateStore.save() writes a file that could not be written again the next time (F2)", async () => {
  const fake = new FakeFiles();
  const store = new StateStore("/s", fake);
  const state: SavedState = { ...NOTHING_SAVED, leases: new Map([["a.t", "10.0.0.2"]]) };
  fake.faults.set(LEASES_PATH, "full");
  await assert.rejects(store.save(state), FileError);
  fake.faults.clear();
  await store.save(state);
  assert.equal(JSON.parse(fake.texts.get(LEASES_PATH)!)["a.t"], "10.0.0.2");
});

// The first failure once kept the other files from being written.
Deno.test("StateStore.save() writes the other files when one cannot be written", async () => {
  const fake = new FakeFiles();
  fake.faults.set(LEASES_PATH, "denied");
  const state = { leases: new Map(), ports: new Map([["a.t:80", 9080]]), endpoints: endpoints("http://a.t") };
  await assert.rejects(new StateStore("/s", fake).save(state), FileError);
  assert.ok(fake.texts.has("/s/network_ports.json") && fake.texts.has("/s/endpoints.json"));
});

Deno.test("StateStore.load() sets damaged files aside, reports them, and reads the others", async () => {
  const damaged = [
    "",
    " ",
    "{",
    "null",
    "[]",
    '"text"',
    "5",
    "\ufeff{}",
    '{"a.t": "10.0.0.2",}',
    "\0\0\0\0",
    "[".repeat(100_000),
  ];
  for (const text of damaged) {
    const fake = new FakeFiles({
      "ip_mappings.json": text,
      "network_ports.json": PORTS,
      "endpoints.json": text,
    });
    const { state, problems } = await new StateStore("/s", fake).load();
    assert.equal(state.leases.size, 0, JSON.stringify(text.slice(0, 20)));
    assert.equal(state.ports.size, 2);
    assert.equal(state.endpoints, undefined);
    assert.equal(fake.texts.get(`${LEASES_PATH}.bad`), text);
    assert.equal(fake.texts.has(LEASES_PATH), false);
    assert.deepEqual(
      problems,
      [LEASES_PATH, "/s/endpoints.json"].map((path) => `${path} is damaged; it is kept as ${path}.bad`),
    );
  }
});

for (
  const [name, text] of [
    ["ip_mappings.json", LEASES],
    ["network_ports.json", PORTS],
    ["endpoints.json", LIST],
  ] as const
) {
  Deno.test(`StateStore.load() sets a file aside that is cut off at any byte: ${name} (F15)`, async () => {
    for (let length = 0; length < text.length; length++) {
      const fake = new FakeFiles({ [name]: text.slice(0, length) });
      const { problems } = await new StateStore("/s", fake).load();
      assert.equal(problems.length, 1, `${length}`);
      assert.equal(fake.texts.get(`/s/${name}.bad`), text.slice(0, length));
    }
  });
}

// The next save once replaced such a file.
Deno.test("StateStore.save() sets a file aside that could not be read", async () => {
  const fake = new FakeFiles({ "ip_mappings.json": LEASES });
  fake.faults.set(LEASES_PATH, "other");
  const store = new StateStore("/s", fake);
  const { state, problems } = await store.load();
  assert.match(problems[0]!, /^Cannot read \/s\/ip_mappings\.json: other/);
  assert.equal(fake.texts.get(LEASES_PATH), LEASES);
  fake.faults.clear();
  await store.save(state);
  assert.equal(fake.texts.get(`${LEASES_PATH}.bad`), LEASES);
});

Deno.test("StateStore.load() reports a damaged file that cannot be set aside, and goes on", async () => {
  const fake = new FakeFiles({ "ip_mappings.json": "{", "network_ports.json": PORTS });
  fake.faults.set(`${LEASES_PATH}.bad`, "read_only");
  const { state, problems } = await new StateStore("/s", fake).load();
  assert.match(problems.join("\n"), /damaged[^]*read_only/);
  assert.equal(state.ports.size, 2);
});

Deno.test("StateStore.load() leaves out hostile leases, and gives the reason of each on one line (F16)", async () => {
  const text =
    `{"good.t": "10.107.0.5", "__proto__": "10.107.0.6", "constructor": {"x": 1}, "a b": "10.107.0.7", "evil\\n127.0.0.1 x": "10.107.0.8", "../../etc": "10.107.0.9",
    "*": "10.107.0.10", "wildcard:": "10.107.0.11", "wildcard:*.a": "10.107.0.12", "n.t": 5, "o.t": null, "p.t": "10.107.0.300", "q.t": "10.107.0.5 ", "r.t": ["10.107.0.13"], "UPPER.t": "10.107.0.14",
    "wildcard:ok.t": "10.107.0.15", "": "10.107.0.16", "127.0.0.1": "10.107.0.17"}`;
  const { state, problems } = await load({ "ip_mappings.json": text });
  assert.deepEqual([...state.leases], [
    ["good.t", "10.107.0.5"],
    // A host name like any other. It lost its address at each restart.
    ["__proto__", "10.107.0.6"],
    ["*.ok.t", "10.107.0.15"],
  ]);
  assert.equal(({} as Record<string, unknown>)["x"], undefined);
  assert.ok(problems.length >= 14, `${problems.length}`);
  // deno-lint-ignore no-control-regex
  for (const problem of problems) assert.doesNotMatch(problem, /[\u0000-\u001f]/);
});

// The Go daemon shares addresses, and each such name was an error.
Deno.test("StateStore.load() leaves a shared address to the first of its names (R105)", async () => {
  await using logged = await captureLog();
  const { state, problems } = await load({
    "ip_mappings.json": '{"a.t": "10.107.0.2", "b.t": "10.107.0.2", "wildcard:c.t": "10.107.0.2"}',
  });
  assert.deepEqual([...state.leases], [["a.t", "10.107.0.2"]]);
  assert.deepEqual(problems, []);
  const lines = logged.lines("info");
  assert.equal(lines.length, 2);
  assert.match(lines[0]!, /b\.t moved to an address of its own: a\.t keeps 10\.107\.0\.2/);
  assert.match(lines[1]!, /\*\.c\.t moved/);
});

// 0x50 and 8e1 were once read as ports.
Deno.test("StateStore.load() leaves out hostile ports", async () => {
  const table = {
    "a.t:80": 9080,
    "a.t": 9081,
    "b.t:0x50": 9082,
    "b.t:8e1": 9083,
    "b.t: 80": 9084,
    "b.t:080": 9085,
    "b.t:65536": 9086,
    "b.t:0": 9087,
    ":80": 9088,
    "c.t:80:1": 9089,
    "d.t:80": 0,
    "e.t:80": 65536,
    "f.t:80": 80.5,
    "g.t:80": "80",
    "h.t:80": null,
    "i t:80": 9090,
    "*.j.t:443": 9091,
  };
  await using logged = await captureLog();
  const { state, problems } = await load({ "network_ports.json": JSON.stringify(table) });
  assert.deepEqual([...state.ports], [["a.t:80", 9080], ["*.j.t:443", 9091]]);
  assert.equal(problems.length, 14);
  // The format of an old Go daemon is no damage.
  assert.match(logged.lines("info").join(), /saved without the port of the endpoint/);
});

Deno.test("StateStore.load() leaves out hostile endpoints", async () => {
  const list = [
    { id: "ep_1", url: "http://a.t" },
    { id: "", url: "http://b.t" },
    { id: "x".repeat(129), url: "http://b.t" },
    { url: "http://b.t" },
    { id: "ep_2" },
    { id: 3, url: "http://b.t" },
    { id: "ep_3", url: "http://a b" },
    { id: "ep_4", url: "http://127.0.0.1\n" },
    null,
    "text",
    [],
    { id: "ep_5", url: "tls://*.t", more: 1 },
  ];
  const { state, problems } = await load({
    "endpoints.json": JSON.stringify({ schema: 1, endpoints: list }),
  });
  assert.deepEqual(state.endpoints?.map(({ id }) => id), ["ep_1", "ep_5"]);
  assert.equal(problems.length, 10);
});

Deno.test("StateStore.load() sets a list with another schema aside", async () => {
  const { state, problems } = await load({ "endpoints.json": '{"schema": 2, "endpoints": []}' });
  assert.equal(state.endpoints, undefined);
  assert.match(problems[0]!, /endpoints\.json is damaged/);
});

// Each of them was once reported.
Deno.test("StateStore.load() reports 20 of a million bad entries, and keeps the good one (F16)", async () => {
  const bad = Array.from({ length: 1_000_000 }, (_, index) => `"${index}":1`);
  const { state, problems } = await load({
    "ip_mappings.json": `{${[...bad.slice(0, 500_000), '"good.t":"10.107.0.5"', ...bad.slice(500_000)]}}`,
    "network_ports.json": PORTS,
  });
  assert.deepEqual([...state.leases], [["good.t", "10.107.0.5"]]);
  assert.equal(state.ports.size, 2);
  assert.equal(problems.length, 21);
  assert.equal(problems.at(-1), "ip_mappings.json: 999980 more entries are not usable");
});

Deno.test("StateStore.load() reports 20 of 100,000 bad endpoints, and keeps the good one (F16)", async () => {
  const list = `${"{},".repeat(100_000)}{"id":"ep_1","url":"http://a.t"}`;
  const { state, problems } = await load({ "endpoints.json": `{"schema":1,"endpoints":[${list}]}` });
  assert.deepEqual(state.endpoints?.map(({ id }) => id), ["ep_1"]);
  assert.equal(problems.length, 21);
});

Deno.test("StateStore saves and loads 10,000 entries in less than 4 s", async () => {
  const leases = new Map(
    Array.from({ length: 10_000 }, (_, index) => [`n${index}.t`, `10.107.${index >> 8}.${index & 255}`]),
  );
  const ports = new Map(Array.from({ length: 10_000 }, (_, index) => [`n${index}.t:80`, 9080 + index]));
  const state: SavedState = {
    leases,
    ports,
    endpoints: endpoints(...[...leases.keys()].map((name) => `http://${name}`)),
  };
  const fake = new FakeFiles();
  const started = cpuTimeMs();
  await new StateStore("/s", fake).save(state);
  const loaded = await new StateStore("/s", fake).load();
  assert.ok(cpuTimeMs() - started < 4000, `${cpuTimeMs() - started} ms`);
  assert.equal(loaded.state.endpoints?.length, 10_000);
});
