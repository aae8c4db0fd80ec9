import { SeededRandom } from "../../../sim/cloud/seeded_random.ts";
import { hostsIn, kill, type Machine, namesInHosts, type Running, until } from "./machine.ts";
import type { Tally } from "./report.ts";

const POOL = Array.from({ length: 8 }, (_, index) => `http://service-${index}.churn:${8000 + index}`);
const MAX_AFTER_CHANGE_MS = 50;
/** A start takes about as long. */
const MAX_AFTER_START_MS = 700;
const START_LIMIT_MS = 2000;
const CONVERGE_LIMIT_MS = 5000;
const CLEAN_UP_LIMIT_MS = 2000;

/**
 * Kills the daemon again and again while endpoints come and go: each time the hosts file must be whole, and the next start must serve
 * exactly what there is, each name on the address that it had whenever it was seen.
 */
export async function churn(
  machine: Machine,
  options: { kills: number; seed: number; tally: Tally },
): Promise<void> {
  const { kills, seed, tally } = options;
  const life = new Churn(machine, new SeededRandom(seed));
  for (let round = 1; round <= kills; round++) {
    const what = `seed ${seed}, kill ${round}`;
    const { answeredMs, convergedMs, problems } = await life.killOnce();
    tally.ran(what, problems);
    tally.measured(what, { name: "start to answer", ms: answeredMs, limitMs: START_LIMIT_MS });
    tally.measured(what, { name: "start to all names", ms: convergedMs, limitMs: CONVERGE_LIMIT_MS });
  }
  const { ms, problems } = await machine.cleanUp();
  tally.ran(`seed ${seed}, clean-up`, [...problems, ...await machine.left()]);
  tally.measured("clean-up", { name: "clean-up", ms, limitMs: CLEAN_UP_LIMIT_MS });
}

interface KillFigures {
  readonly answeredMs: number;
  readonly convergedMs: number;
  readonly problems: readonly string[];
}

class Churn {
  readonly #machine: Machine;
  readonly #random: SeededRandom;
  /** Name → address, of all that was ever seen. */
  readonly #known = new Map<string, string>();
  /** The names that the hosts file held when it was last looked at. */
  #standing: readonly string[] = [];

  constructor(machine: Machine, random: SeededRandom) {
    this.#machine = machine;
    this.#random = random;
    this.#change(4);
  }

  async killOnce(): Promise<KillFigures> {
    const machine = this.#machine;
    const running = machine.start();
    let [answeredMs, convergedMs] = [NaN, NaN];
    const problems: string[] = [];
    const before = this.#wanted();
    try {
      if (this.#random.next() < 0.25) await this.#wait(MAX_AFTER_START_MS);
      else {
        await until("it answers", () => machine.ask("version").then(() => true), { running });
        answeredMs = performance.now() - running.startedAt;
        problems.push(...this.#compare(await machine.serves(before, running)));
        convergedMs = performance.now() - running.startedAt;
        this.#standing = before;
        this.#change(1 + Math.floor(this.#random.next() * 3));
        machine.poll().catch(() => {});
        await this.#wait(MAX_AFTER_CHANGE_MS);
      }
    } catch (error) {
      problems.push(String(error));
    }
    await this.#kill(running);
    problems.push(...await this.#harm([this.#standing, before, this.#wanted()]));
    // What changes while nobody looks must not move what was seen before.
    if (this.#random.next() < 0.5) this.#change(1);
    return { answeredMs, convergedMs, problems };
  }

  async #kill(running: Running): Promise<void> {
    kill(running.pid, "SIGKILL");
    await running.ended;
  }

  #wanted(): string[] {
    return hostsIn(this.#machine.cloud).sort();
  }

  /** Adds or removes so many endpoints. */
  #change(count: number): void {
    const { cloud } = this.#machine;
    for (let done = 0; done < count; done++) {
      const url = POOL[Math.floor(this.#random.next() * POOL.length)]!;
      const there = cloud.endpoints().find((endpoint) => endpoint.url === url);
      if (there === undefined) cloud.addEndpoint({ url, backend: "echo" });
      // An empty list is believed at the second poll only, which a daemon that is killed never makes.
      else if (cloud.endpoints().length > 1) cloud.removeEndpoint(there.id);
    }
  }

  #wait(maxMs: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, this.#random.next() * maxMs));
  }

  /** The hosts file must be, byte for byte, the one for one of these lists of names. */
  async #harm(lists: readonly (readonly string[])[]): Promise<string[]> {
    const machine = this.#machine;
    const found = await namesInHosts();
    const lines = [...found].map(([name, address]) => `${address}\t${name}`);
    const names = [...found.keys()].sort();
    const problems = await machine.harmToHosts([machine.hostsWith(lines)]);
    if (!lists.some((list) => list.toSorted().join(" ") === names.join(" "))) {
      problems.push(`the names are neither the old nor the new ones: ${names.join(" ")}`);
    }
    this.#standing = names;
    return [...problems, ...this.#compare(found)];
  }

  #compare(addresses: ReadonlyMap<string, string>): string[] {
    return [...addresses].flatMap(([name, address]) => {
      const known = this.#known.get(name);
      this.#known.set(name, address);
      return known === undefined || known === address ? [] : [`${name} had ${known} and has ${address} now`];
    });
  }
}
