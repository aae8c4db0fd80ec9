import { sleep } from "../../../src/system/clock.ts";
import { SeededRandom } from "../../../sim/cloud/seeded_random.ts";
import { hostsWith, LEASE, namesInHosts } from "./hosts_file.ts";
import type { Machine } from "./machine.ts";
import type { Tally } from "./report.ts";

const URLS = Array.from({ length: 8 }, (_, index) => `http://service-${index}.churn:${8000 + index}`);
const MAX_AFTER_CHANGE_MS = 50;
/** A start takes about this long. */
const MAX_AFTER_START_MS = 700;
const START_LIMIT_MS = 2000;
const CONVERGE_LIMIT_MS = 5000;
const CLEAN_UP_LIMIT_MS = 2000;

/**
 * Kills the daemon again and again while endpoints come and go. Each time the hosts file must be
 * whole, and the next start must serve exactly the endpoints of the cloud, each name on the address
 * that it had before.
 */
export async function churn(
  machine: Machine,
  options: { kills: number; seed: number; tally: Tally },
): Promise<void> {
  const { kills, seed, tally } = options;
  const runs = new Churn(machine, new SeededRandom(seed));
  for (let kill = 1; kill <= kills; kill++) {
    const name = `seed ${seed}, kill ${kill}`;
    const { answeredMs, convergedMs, problems } = await runs.killOnce();
    tally.addRun(name, problems);
    tally.addFigure(name, { name: "start to first answer", ms: answeredMs, limitMs: START_LIMIT_MS });
    tally.addFigure(name, {
      name: "start until all names are served",
      ms: convergedMs,
      limitMs: CONVERGE_LIMIT_MS,
    });
  }
  const { ms, problems } = await machine.cleanUp();
  tally.addRun(`seed ${seed}, clean-up`, [...problems, ...await machine.leftovers.find()]);
  tally.addFigure(`seed ${seed}`, { name: "clean-up", ms, limitMs: CLEAN_UP_LIMIT_MS });
}

class Churn {
  readonly #machine: Machine;
  readonly #random: SeededRandom;
  /** The last address of each name. */
  readonly #addresses = new Map<string, string>();
  /** The names that the hosts file had last. */
  #published: readonly string[] = [];

  constructor(machine: Machine, random: SeededRandom) {
    this.#machine = machine;
    this.#random = random;
    this.#changeEndpoints(4);
  }

  /** Starts the daemon, kills it while it starts or after a change, and checks the hosts file. */
  async killOnce(): Promise<KillResult> {
    const machine = this.#machine;
    const running = machine.start();
    let [answeredMs, convergedMs] = [NaN, NaN];
    const problems: string[] = [];
    const before = machine.endpointHosts;
    try {
      if (this.#random.next() < 0.25) await this.#pauseAtMost(MAX_AFTER_START_MS);
      else {
        await running.until("the daemon answers", () => machine.ask("version").then(() => true));
        answeredMs = performance.now() - running.startedAt;
        problems.push(...this.#movedNames(await machine.untilServed(before, running)));
        convergedMs = performance.now() - running.startedAt;
        this.#published = before;
        this.#changeEndpoints(1 + Math.floor(this.#random.next() * 3));
        machine.poll().catch(() => {});
        await this.#pauseAtMost(MAX_AFTER_CHANGE_MS);
      }
    } catch (error) {
      problems.push(String(error));
    }
    running.kill("SIGKILL");
    await running.ended;
    problems.push(...await this.#findDamage([this.#published, before, machine.endpointHosts]));
    // A change while no daemon runs must not move a name either.
    if (this.#random.next() < 0.5) this.#changeEndpoints(1);
    return { answeredMs, convergedMs, problems };
  }

  /** Adds or removes `count` endpoints. */
  #changeEndpoints(count: number): void {
    const { cloud } = this.#machine;
    for (let changed = 0; changed < count; changed++) {
      const url = URLS[Math.floor(this.#random.next() * URLS.length)]!;
      const present = cloud.endpoints().find((endpoint) => endpoint.url === url);
      if (present === undefined) cloud.addEndpoint({ url, backend: "echo" });
      // The daemon accepts an empty list only at the second poll, and is killed before that.
      else if (cloud.endpoints().length > 1) cloud.removeEndpoint(present.id);
    }
  }

  #pauseAtMost(maxMs: number): Promise<void> {
    return sleep(this.#random.next() * maxMs);
  }

  /** The hosts file must be complete, for one of these lists of names. */
  async #findDamage(lists: readonly (readonly string[])[]): Promise<string[]> {
    const { leftovers, hostsPath } = this.#machine;
    const published = await namesInHosts(hostsPath);
    const lines = [...published.keys()].map((name) => `${LEASE}\t${name}`);
    const names = [...published.keys()].sort();
    const problems = await leftovers.findDamage([hostsWith(lines)]);
    if (!lists.some((list) => list.toSorted().join(" ") === names.join(" "))) {
      problems.push(`${hostsPath} has neither the old names nor the new ones: ${names.join(" ")}`);
    }
    this.#published = names;
    return [...problems, ...this.#movedNames(published)];
  }

  #movedNames(addresses: ReadonlyMap<string, string>): string[] {
    return [...addresses].flatMap(([name, address]) => {
      const old = this.#addresses.get(name) ?? address;
      this.#addresses.set(name, address);
      return old === address ? [] : [`${name} moved from ${old} to ${address}`];
    });
  }
}

interface KillResult {
  /**
   * The time from the start to the first answer of the control socket; NaN if it was killed before.
   */
  readonly answeredMs: number;
  /** The time from the start until all names were served; NaN if it was killed before. */
  readonly convergedMs: number;
  readonly problems: readonly string[];
}
