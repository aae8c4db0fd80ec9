import assert from "node:assert/strict";
import { HostsFile } from "../../src/names/hosts/hosts_file.ts";
import type { Endpoint } from "../../src/model/endpoint.ts";
import { STATE_FILES } from "../../src/model/state_files.ts";
import { StateStore } from "../../src/sync/persist.ts";
import * as files from "../../src/system/files.ts";
import { endpoint } from "../fakes/endpoints.ts";
import { NEVER, TestLoop } from "../fakes/sync_loop.ts";

const COUNT = 10_000;
/** The most that one poll may take, whatever it finds. */
const POLL_MS = 10_000;

/**
 * A loop with listeners in memory, and with real state files and a real hosts file in a directory
 * of its own.
 */
class Machine implements AsyncDisposable {
  readonly #test = new TestLoop([]);
  readonly loop = this.#test.loop;
  readonly world = this.#test.world;
  /** The number of times that the hosts file was replaced. */
  hostsWrites = 0;
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
    this.world.names.publish = async (names) => {
      const { problem, refused, notes } = await hosts.publish(names);
      assert.equal(problem, undefined);
      return new Map([...notes, ...refused]);
    };
    const store = new StateStore(directory, files);
    this.world.state.save = (state) => store.save(state);
  }

  static async make(): Promise<Machine> {
    const directory = await Deno.makeTempDir({ prefix: "ngrokd-churn-" });
    await Deno.writeTextFile(`${directory}/hosts`, "127.0.0.1\tlocalhost\n");
    return new Machine(directory);
  }

  /**
   * Polls and finds these endpoints, all of them active; returns the number of writes of the hosts
   * file.
   */
  async poll(list: readonly Endpoint[]): Promise<number> {
    const before = this.hostsWrites;
    this.#test.answers[0] = { endpoints: list, refused: [], pages: 1 };
    const startedAt = performance.now();
    await this.loop.poll(NEVER);
    const tookMs = performance.now() - startedAt;
    assert.ok(tookMs <= POLL_MS, `${Math.round(tookMs)} ms for ${list.length} endpoints`);
    assert.deepEqual(
      this.loop.outcomes.map(({ endpoint, state }) => [endpoint.id, state]),
      list.map(({ id }) => [id, "active"]),
    );
    return this.hostsWrites - before;
  }

  /** URL → `address:port` of its listener. */
  listeners(): Map<string, string> {
    return new Map(
      this.loop.outcomes.map((
        { endpoint, route },
      ) => [endpoint.url, `${route!.address}:${route!.localPort}`]),
    );
  }

  /** Name → address in our section of the hosts file. */
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
    const { leases, ports, endpoints } = STATE_FILES;
    return await Promise.all(["hosts", leases, ports, endpoints].map(async (name) => {
      const { ino, mtime } = await Deno.stat(`${this.#directory}/${name}`);
      return `${name} ${ino} ${mtime?.getTime()}`;
    }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#directory, { recursive: true });
  }
}

/**
 * Endpoints in the order of the API, the newest first. Each generation has its own ids, as
 * endpoints that return have.
 */
function generation(id: number, count = COUNT): Endpoint[] {
  return Array.from({ length: count }, (_, index) => {
    const scheme = ["http", "tls", "tcp"][index % 3]!;
    return endpoint(
      `${scheme}://e${index}.t:${7000 + index % 5}`,
      `ep_${id}_${String(index).padStart(5, "0")}`,
    );
  }).reverse();
}

Deno.test("10,000 endpoints keep their addresses when 9,999 vanish and return, in 10 s a poll (F43)", async () => {
  await using machine = await Machine.make();
  assert.equal(await machine.poll(generation(1)), 1);
  const listeners = machine.listeners();
  const addresses = await machine.hosts();
  assert.deepEqual([listeners.size, addresses.size, new Set(addresses.values()).size], [COUNT, COUNT, COUNT]);

  assert.equal(await machine.poll(generation(1).slice(0, 1)), 1);
  assert.deepEqual([machine.world.open.size, (await machine.hosts()).size], [1, 1]);

  assert.equal(await machine.poll(generation(2)), 1);
  assert.deepEqual(machine.listeners(), listeners);
  assert.deepEqual(await machine.hosts(), addresses);
  assert.ok(machine.loop.outcomes.every(({ reason }) => reason === ""));
});

Deno.test("a poll that finds 10,000 unchanged endpoints binds nothing and writes nothing (F43)", async () => {
  await using machine = await Machine.make();
  await machine.poll(generation(1));
  const stamps = await machine.stamps();
  const { world } = machine;
  world.bindAttempts.length = 0;
  assert.equal(await machine.poll(generation(1)), 0);
  assert.deepEqual([world.bindAttempts, world.closed], [[], []]);
  assert.deepEqual(await machine.stamps(), stamps);
});

Deno.test("an endpoint that comes and goes keeps address and port; a poll writes the hosts file once (F44)", async () => {
  await using machine = await Machine.make();
  const { world } = machine;
  const stays = endpoint("http://stays.t", "ep_stays");
  // Its own port is held and redirected, so that a remapped port must be kept too.
  world.heldPorts.add(5432);
  world.noRedirects = undefined;
  const seen = new Set<string>();
  for (let poll = 0; poll < 40; poll++) {
    const isThere = poll % 2 === 0;
    const flaps = endpoint("tcp://flaps.t:5432", `ep_flaps_${poll}`);
    assert.equal(await machine.poll(isThere ? [flaps, stays] : [stays]), 1, `poll ${poll}`);
    assert.equal(machine.listeners().get("http://stays.t"), "127.107.0.3:80");
    const hosts = await machine.hosts();
    if (isThere) seen.add(`${machine.listeners().get(flaps.url)} ${hosts.get("flaps.t")}`);
    assert.equal(hosts.has("flaps.t"), isThere);
  }
  assert.deepEqual([...seen], ["127.107.0.2:9080 127.107.0.2"]);
});
