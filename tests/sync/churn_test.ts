import assert from "node:assert/strict";
import { HostsFile } from "../../src/names/hosts/hosts_file.ts";
import { parseCidr } from "../../src/lib/ipv4.ts";
import type { Endpoint } from "../../src/model/endpoint.ts";
import type { SavedState } from "../../src/sync/effects.ts";
import type { Discovery } from "../../src/model/discovery.ts";
import { SyncLoop } from "../../src/sync/loop.ts";
import { StateStore } from "../../src/sync/persist.ts";
import * as files from "../../src/system/files.ts";
import { endpoint } from "../fakes/endpoints.ts";
import { FakeWorld } from "../fakes/sync_effects.ts";

const COUNT = 10_000;
const EMPTY: SavedState = { leases: new Map(), ports: new Map(), endpoints: undefined };
const STATE_FILES = ["ip_mappings.json", "network_ports.json", "endpoints.json"];
/** For a step, whatever its size. */
const STEP_MS = 10_000;
const NEVER = new AbortController().signal;

/** Listeners in memory; the hosts file and the state files are real ones, in a directory of their own. */
class Machine implements AsyncDisposable {
  readonly world = new FakeWorld();
  list: readonly Endpoint[] = [];
  /** How often the hosts file was replaced. */
  hostsWrites = 0;
  readonly loop: SyncLoop;
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
    const hosts = new HostsFile(`${directory}/hosts`, {
      files: {
        ...files,
        renameFile: async (from, to) => {
          await files.renameFile(from, to);
          this.hostsWrites++;
        },
      },
    });
    const settings = {
      subnet: parseCidr("127.107.0.0/16")!,
      listenInterface: "virtual",
      overrides: {},
      resolveInterface: () => undefined,
      startPort: 9080,
    };
    this.loop = new SyncLoop({
      poll: (): Promise<Discovery> => Promise.resolve({ endpoints: this.list, refused: [], pages: 1 }),
      effects: {
        addresses: this.world.addresses,
        listeners: this.world.listeners,
        names: {
          publish: async (names) => {
            const { problem, refused, notes } = await hosts.publish(names);
            assert.equal(problem, undefined);
            return new Map([...notes, ...refused]);
          },
        },
        state: new StateStore(directory, files),
      },
      saved: EMPTY,
      settings: () => settings,
      intervalMs: () => 30_000,
    });
  }

  static async make(): Promise<Machine> {
    const directory = await Deno.makeTempDir({ prefix: "ngrokd-churn-" });
    await Deno.writeTextFile(`${directory}/hosts`, "127.0.0.1\tlocalhost\n");
    return new Machine(directory);
  }

  /** One poll that finds these; gives how often the hosts file was written. */
  async poll(list: readonly Endpoint[]): Promise<number> {
    const before = this.hostsWrites;
    this.list = list;
    const startedAt = performance.now();
    await this.loop.poll(NEVER);
    const tookMs = performance.now() - startedAt;
    assert.ok(tookMs <= STEP_MS, `${Math.round(tookMs)} ms for ${list.length} endpoints`);
    assert.deepEqual(
      this.loop.outcomes.map(({ endpoint, state, reason }) => [endpoint.id, state, reason]),
      list.map(({ id }) => [id, "active", ""]),
    );
    return this.hostsWrites - before;
  }

  /** URL → where it listens. */
  places(): Map<string, string> {
    return new Map(
      this.loop.outcomes.map((
        { endpoint, route },
      ) => [endpoint.url, `${route!.address}:${route!.localPort}`]),
    );
  }

  /** Names and addresses of our section of the hosts file. */
  async hosts(): Promise<Map<string, string>> {
    const text = await Deno.readTextFile(`${this.#directory}/hosts`);
    return new Map(
      text.split("\n").flatMap((line) => {
        const [address, name] = line.split("\t");
        return name === undefined || name === "localhost" ? [] : [[name, address!] as const];
      }),
    );
  }

  /** Inode and time of every file that the control path writes. */
  async stamps(): Promise<string[]> {
    return await Promise.all(["hosts", ...STATE_FILES].map(async (name) => {
      const { ino, mtime } = await Deno.stat(`${this.#directory}/${name}`);
      return `${name} ${ino} ${mtime?.getTime()}`;
    }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#directory, { recursive: true });
  }
}

/** So many endpoints, the newest first as the API lists them; each generation has ids of its own, as endpoints that return have. */
function generation(id: number, count = COUNT): Endpoint[] {
  return Array.from({ length: count }, (_, index) => {
    const scheme = ["http", "tls", "tcp"][index % 3]!;
    return endpoint(
      `${scheme}://e${index}.t:${7000 + index % 5}`,
      `ep_${id}_${String(index).padStart(5, "0")}`,
    );
  }).reverse();
}

Deno.test("10,000 endpoints appear, 9,999 vanish and all return: each step takes 10 s at most, each has the address that it had, and the hosts file is written once a step (F43)", async () => {
  await using machine = await Machine.make();
  const first = generation(1);
  assert.equal(await machine.poll(first), 1);
  const places = machine.places();
  const addresses = await machine.hosts();
  assert.deepEqual([places.size, addresses.size, new Set(addresses.values()).size], [COUNT, COUNT, COUNT]);

  assert.equal(await machine.poll(first.slice(0, 1)), 1);
  assert.deepEqual([machine.world.open.size, (await machine.hosts()).size], [1, 1]);

  assert.equal(await machine.poll(generation(2)), 1);
  assert.deepEqual(machine.places(), places);
  assert.deepEqual(await machine.hosts(), addresses);
});

Deno.test("a poll that finds 10,000 endpoints as they were binds nothing and writes nothing (F43)", async () => {
  await using machine = await Machine.make();
  const list = generation(1);
  await machine.poll(list);
  const stamps = await machine.stamps();
  const { world } = machine;
  world.bindTries.length = 0;
  for (const again of [list, generation(1)]) {
    assert.equal(await machine.poll(again), 0);
    assert.deepEqual([world.bindTries, world.closed], [[], []]);
    assert.deepEqual(await machine.stamps(), stamps);
  }
});

Deno.test("an endpoint that flaps at each poll keeps address and port, and the hosts file is written at most once a poll (F44)", async () => {
  await using machine = await Machine.make();
  const { world } = machine;
  const stays = endpoint("http://stays.t", "ep_stays");
  const flaps = (poll: number) => endpoint("tcp://flaps.t:5432", `ep_flaps_${poll}`);
  // Its own port is taken, so that there is a moved one to be kept too.
  world.unbindable.set("127.107.0.2:5432", "in_use");
  const seen = new Set<string>();
  for (let poll = 0; poll < 40; poll++) {
    const there = poll % 2 === 0;
    machine.list = there ? [flaps(poll), stays] : [stays];
    const before = machine.hostsWrites;
    await machine.loop.poll(NEVER);
    assert.equal(machine.hostsWrites - before, 1, `poll ${poll}`);
    const { address, localPort } = machine.loop.outcomes.at(-1)!.route!;
    assert.deepEqual([address, localPort], ["127.107.0.3", 80]);
    if (there) {
      seen.add(`${machine.places().get("tcp://flaps.t:5432")} ${(await machine.hosts()).get("flaps.t")}`);
    }
    assert.equal((await machine.hosts()).has("flaps.t"), there);
  }
  assert.deepEqual([...seen], ["127.107.0.2:9080 127.107.0.2"]);
});
