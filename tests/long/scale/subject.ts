import { childOf, type ProcessFigures, processFigures, resetPeak } from "../../../bench/process_figures.ts";
import { Stage, type StageOptions } from "../../../sim/stage.ts";
import { STATE_FILES } from "../../../src/model/state_files.ts";
import type { EndpointReport } from "../../../src/model/report.ts";
import { steadyFigures } from "../process_growth.ts";
import { countMoved, type IdleFigures, type StepFigures } from "./figures.ts";
import { HostsWatch, stampOf } from "./watch_hosts.ts";

const PAGE_SIZE = 100;
/** A poll can wait a minute for the request budget, and needs a second for each page. */
const POLL_LIMIT_MS = 180_000;
const CONVERGE_LIMIT_MS = 60_000;
const SAMPLE_MS = 250;
/** An idle daemon uses no more CPU time than this between two samples. */
const IDLE_CPU_SECONDS = 0.015;

/** A daemon with a simulated cloud, measured from outside. */
export class Subject implements AsyncDisposable {
  readonly stage: Stage;
  readonly #pid: number;
  readonly #hosts: HostsWatch;
  /** The first address of each endpoint, by URL. */
  readonly #addresses = new Map<string, string>();

  constructor(stage: Stage, pid: number) {
    this.stage = stage;
    this.#pid = pid;
    this.#hosts = new HostsWatch(stage.hostsPath);
  }

  /** Starts both, and waits until the daemon has polled once. */
  static async open(options: StageOptions): Promise<Subject> {
    const stage = await Stage.open(options);
    try {
      stage.startDaemon();
      await stage.until("the first poll", async () => (await stage.askStatus()).api.state === "ok");
      return new Subject(stage, options.shipped ? await childOf(stage.pid) : stage.pid);
    } catch (error) {
      await stage[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Polls an account that has exactly these endpoints now, and measures until all are served. */
  async step(name: string, urls: readonly string[]): Promise<StepFigures & { rows: EndpointReport[] }> {
    const pages = pagesOf(urls.length);
    const writesBefore = await this.#hosts.writes();
    await resetPeak(this.#pid);
    const answeredAt = await this.#pollNow(pages);
    const rows = await this.#untilServed(urls);
    const seconds = (Date.now() - answeredAt) / 1000;
    const { peakRssMiB } = await processFigures(this.#pid);
    const hostsWrites = await this.#hosts.writes() - writesBefore;
    return { name, pages, seconds, hostsWrites, peakRssMiB, moved: countMoved(rows, this.#addresses), rows };
  }

  /** Measures a poll that finds no difference: the next scheduled one, or one on command. */
  async idlePoll(options: { pages: number; ask: boolean }): Promise<IdleFigures> {
    const { pages, ask } = options;
    const { stage } = this;
    const names = [STATE_FILES.leases, STATE_FILES.ports, STATE_FILES.endpoints, STATE_FILES.journal];
    const files = [stage.hostsPath, ...names.map((name) => `${stage.etc}/${name}`)];
    const stampsBefore = await Promise.all(files.map(stampOf));
    const answered = this.#pagesAnswered().length;
    let before = await this.#idleFigures();
    if (ask) await stage.ask("set-api-key", [stage.cloud.apiKey]);
    // The figures do not include the work between two polls.
    await stage.until("the start of a poll", async () => {
      const now = await processFigures(this.#pid);
      const hasBegun = this.#pagesAnswered().length > answered;
      if (!hasBegun) before = now;
      return hasBegun;
    }, POLL_LIMIT_MS);
    const isEnded = () => this.#pagesAnswered().length >= answered + pages;
    await stage.until("the end of the poll", isEnded, POLL_LIMIT_MS);
    const after = await this.#idleFigures();
    const stampsAfter = await Promise.all(files.map(stampOf));
    return {
      pages,
      cpuMs: Math.round((after.cpuSeconds - before.cpuSeconds) * 1000),
      written: files.filter((_, index) => stampsBefore[index] !== stampsAfter[index]),
    };
  }

  /** Returns a problem if the API has refused requests of the daemon. */
  refusedRequests(): string[] {
    const refused = this.stage.cloud.requests().filter(({ status }) => status === 429).length;
    return refused === 0 ? [] : [`the API refused ${refused} requests with 429`];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#hosts[Symbol.asyncDispose]();
    await this.stage[Symbol.asyncDispose]();
  }

  /** The answered requests for a page so far. */
  #pagesAnswered(): { at: number }[] {
    return this.stage.cloud.requests().filter(({ path, status }) =>
      path.includes("/bound_endpoints") && status === 200
    );
  }

  /** Polls, and returns the time of the request for the last page. */
  async #pollNow(pages: number): Promise<number> {
    const { stage } = this;
    const wanted = this.#pagesAnswered().length + pages;
    await stage.ask("set-api-key", [stage.cloud.apiKey]);
    const isRead = () => this.#pagesAnswered().length >= wanted;
    await stage.until("the whole list is read", isRead, POLL_LIMIT_MS);
    return this.#pagesAnswered()[wanted - 1]!.at;
  }

  /** Waits until the hosts file has exactly these names, and `list` these endpoints, all active. */
  async #untilServed(urls: readonly string[]): Promise<EndpointReport[]> {
    const { stage } = this;
    const names = stage.cloud.endpoints().map(({ host }) => host).sort().join("\n");
    await stage.until(
      "the hosts file has all names",
      async () => await publishedNames(stage.hostsPath) === names,
      CONVERGE_LIMIT_MS,
    );
    const wanted = urls.toSorted().join("\n");
    let rows: EndpointReport[] = [];
    await stage.until("every endpoint is active", async () => {
      rows = await stage.askList();
      return rows.every(({ state }) => state === "active") &&
        rows.map(({ url }) => url).sort().join("\n") === wanted;
    }, CONVERGE_LIMIT_MS);
    return rows;
  }

  /** The figures once the daemon is idle. */
  #idleFigures(): Promise<ProcessFigures> {
    return steadyFigures(this.#pid, {
      count: 1,
      sampleMs: SAMPLE_MS,
      isSteady: (last, now) => now.cpuSeconds - last.cpuSeconds < IDLE_CPU_SECONDS,
    });
  }
}

/** The number of pages of a list with `count` endpoints. */
export function pagesOf(count: number): number {
  return Math.max(1, Math.ceil(count / PAGE_SIZE));
}

async function publishedNames(path: string): Promise<string> {
  const text = await Deno.readTextFile(path);
  const names = text.split("\n").slice(1).flatMap((line) => /^[0-9.]+\t(\S+)$/.exec(line)?.[1] ?? []);
  return names.sort().join("\n");
}
