import type { EndpointReport } from "../../../src/model/report.ts";
import { childOf, type ProcessFigures, processFigures, resetPeak } from "../../../bench/process_figures.ts";
import { Stage, type StageOptions } from "../../../sim/stage.ts";
import { countMoved, type IdleFigures, type StepFigures } from "./figures.ts";
import { type HostsWatch, stampOf, watchHosts } from "./watch_hosts.ts";

const PAGE_SIZE = 100;
const STATE_FILES = ["ip_mappings.json", "network_ports.json", "endpoints.json", "journal.json"];
/** A poll may have to wait a minute for its turn, and the interval stretches to a second a page. */
const POLL_WITHIN_MS = 180_000;
const RIGHT_WITHIN_MS = 60_000;
const SAMPLE_MS = 250;
/** What a daemon that has nothing to do may use in that time. */
const CALM_CPU_SECONDS = 0.015;

/** A daemon before a simulated cloud, watched from outside. */
export class Subject implements AsyncDisposable {
  readonly stage: Stage;
  readonly #pid: number;
  readonly #hosts: HostsWatch;
  /** URL → where it listened first. */
  readonly #places = new Map<string, string>();

  constructor(stage: Stage, options: { pid: number; hosts: HostsWatch }) {
    this.stage = stage;
    this.#pid = options.pid;
    this.#hosts = options.hosts;
  }

  /** Starts both; the daemon has polled once when this fulfils. */
  static async open(options: StageOptions): Promise<Subject> {
    const stage = await Stage.open(options);
    try {
      stage.startDaemon();
      await stage.until("the daemon polls", async () => (await stage.askStatus()).api.state === "ok");
      const pid = options.shipped ? await childOf(stage.pid) : stage.pid;
      return new Subject(stage, { pid, hosts: watchHosts(stage.hostsPath) });
    } catch (error) {
      await stage[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Asks for a poll of an account that has exactly these endpoints now, and measures until all of them stand. */
  async step(name: string, urls: readonly string[]): Promise<StepFigures & { rows: EndpointReport[] }> {
    const pages = pagesOf(urls.length);
    const writesBefore = await this.#hosts.writes();
    await resetPeak(this.#pid);
    const answered = await this.#pollNow(pages);
    const rows = await this.#reconciled(urls);
    const seconds = (Date.now() - answered) / 1000;
    const { peakRssMiB } = await processFigures(this.#pid);
    const hostsWrites = await this.#hosts.writes() - writesBefore;
    return { name, pages, seconds, hostsWrites, peakRssMiB, moved: countMoved(rows, this.#places), rows };
  }

  /** Measures over a poll that finds everything as it was: the next one, or one that is asked for. */
  async idlePoll(options: { pages: number; ask: boolean }): Promise<IdleFigures> {
    const { pages, ask } = options;
    const { stage } = this;
    const files = [stage.hostsPath, ...STATE_FILES.map((name) => `${stage.etc}/${name}`)];
    const stampsBefore = await Promise.all(files.map(stampOf));
    const answered = this.#pagesAnswered().length;
    let before = await this.#calmFigures();
    if (ask) await stage.ask("set-api-key", [stage.cloud.apiKey]);
    // What the daemon does between two polls is not part of one.
    await stage.until("a poll", async () => {
      const now = await processFigures(this.#pid);
      const begun = this.#pagesAnswered().length > answered;
      if (!begun) before = now;
      return begun;
    }, POLL_WITHIN_MS);
    await stage.until("its end", () => this.#pagesAnswered().length >= answered + pages, POLL_WITHIN_MS);
    const after = await this.#calmFigures();
    const stampsAfter = await Promise.all(files.map(stampOf));
    return {
      pages,
      cpuMs: Math.round((after.cpuSeconds - before.cpuSeconds) * 1000),
      written: files.filter((_, index) => stampsBefore[index] !== stampsAfter[index]),
    };
  }

  /** Whether the API has refused anything. */
  refusedRequests(): string[] {
    const refused = this.stage.cloud.requests().filter(({ status }) => status === 429).length;
    return refused === 0 ? [] : [`the API refused ${refused} requests with 429`];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#hosts[Symbol.asyncDispose]();
    await this.stage[Symbol.asyncDispose]();
  }

  /** The answers to requests for a page so far. */
  #pagesAnswered(): { at: number }[] {
    return this.stage.cloud.requests().filter(({ path, status }) =>
      path.includes("/bound_endpoints") && status === 200
    );
  }

  /** Gives the time at which the last page was asked for. */
  async #pollNow(pages: number): Promise<number> {
    const { stage } = this;
    const wanted = this.#pagesAnswered().length + pages;
    await stage.ask("set-api-key", [stage.cloud.apiKey]);
    await stage.until("the whole list is read", () => this.#pagesAnswered().length >= wanted, POLL_WITHIN_MS);
    return this.#pagesAnswered()[wanted - 1]!.at;
  }

  /** Waits until the hosts file holds exactly these endpoints' names, and `list` exactly them, all active. */
  async #reconciled(urls: readonly string[]): Promise<EndpointReport[]> {
    const { stage } = this;
    const names = urls.map((url) => new URL(url.replace(/^[a-z]+/, "http")).hostname).sort().join("\n");
    await stage.until(
      "the hosts file is right",
      async () => await namesIn(stage.hostsPath) === names,
      RIGHT_WITHIN_MS,
    );
    const wanted = urls.toSorted().join("\n");
    let rows: EndpointReport[] = [];
    await stage.until("every endpoint is active", async () => {
      rows = await stage.askList();
      return rows.every(({ state }) => state === "active") &&
        rows.map(({ url }) => url).sort().join("\n") === wanted;
    }, RIGHT_WITHIN_MS);
    return rows;
  }

  /** The figures once the process has nothing to do. */
  async #calmFigures(): Promise<ProcessFigures> {
    for (let last = await processFigures(this.#pid);;) {
      await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS));
      const now = await processFigures(this.#pid);
      if (now.cpuSeconds - last.cpuSeconds < CALM_CPU_SECONDS) return now;
      last = now;
    }
  }
}

/** How many pages the API gives so many endpoints on. */
export function pagesOf(count: number): number {
  return Math.max(1, Math.ceil(count / PAGE_SIZE));
}

async function namesIn(path: string): Promise<string> {
  const text = await Deno.readTextFile(path);
  const names = text.split("\n").slice(1).flatMap((line) => /^[0-9.]+\t(\S+)$/.exec(line)?.[1] ?? []);
  return names.sort().join("\n");
}
