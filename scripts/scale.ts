import { parseArgs } from "node:util";
import type { EndpointReport } from "../src/model/report.ts";
import { writeErr, writeOut } from "../src/system/terminal.ts";
import { type ProcessFigures, processFigures } from "./process_figures.ts";
import { stampOf, watchHosts } from "./scale/watch_hosts.ts";
import { Stage, type StageOptions } from "./stage.ts";

/** What issue 3 and RELIABILITY.md F43 ask for. */
const TARGETS = { stepSeconds: 10, rssMiB: 300, hostsWrites: 1, idleCpuMs: 250, idleWrites: 0 };

const PAGE_SIZE = 100;
const STATE_FILES = ["ip_mappings.json", "network_ports.json", "endpoints.json"];
/** A poll may have to wait a minute for its turn, and the interval stretches to a second a page. */
const POLL_WITHIN_MS = 180_000;
const SAMPLE_MS = 250;
/** What a daemon that has nothing to do may use in that time. */
const CALM_CPU_SECONDS = 0.015;
const SCHEMES = [["http", 8080], ["tls", 8443], ["tcp", 7000]] as const;

/** One change of the account, and what it cost. */
export interface StepFigures {
  readonly name: string;
  readonly pages: number;
  /** From the last page's answer to the last endpoint listed as it must be, and the hosts file right. */
  readonly seconds: number;
  readonly hostsWrites: number;
  readonly rssMiB: number;
  /** How many endpoints do not stand where they stood first. */
  readonly moved: number;
}

/** A poll that finds nothing new. */
export interface IdleFigures {
  readonly pages: number;
  readonly cpuMs: number;
  /** Files that are not what they were before. */
  readonly written: readonly string[];
}

/** All figures, and which of them miss their targets. */
export interface ScaleResult {
  readonly steps: readonly StepFigures[];
  readonly idle: IdleFigures;
  readonly problems: readonly string[];
}

/** How the figures are taken. */
export interface ScaleOptions extends StageOptions {
  readonly say?: (line: string) => void;
  /** Asks for the last poll instead of waiting for it: faster, but what the asking costs is measured too. @default {false} */
  readonly askForIdlePoll?: boolean;
}

/** Lets `count` endpoints appear at once, all but one vanish, and all return, before a daemon of its own; then measures an idle poll. */
export async function scale(count: number, options: ScaleOptions = {}): Promise<ScaleResult> {
  const { say = () => {}, askForIdlePoll = false } = options;
  const urls = Array.from({ length: count }, (_, index) => urlOf(index));
  await using stage = await Stage.open(options);
  stage.startDaemon();
  await stage.until("the daemon polls", async () => (await stage.askStatus()).api.state === "ok");
  await using hosts = watchHosts(stage.hostsPath);
  const places = new Map<string, string>();
  const steps: StepFigures[] = [];

  async function step(name: string, wanted: readonly string[]): Promise<void> {
    const writesBefore = hosts.writes;
    const answered = await pollNow(stage, wanted.length);
    const rows = await reconciled(stage, wanted);
    const seconds = (Date.now() - answered) / 1000;
    for (const { url, listen_address } of rows) if (!places.has(url)) places.set(url, listen_address);
    const moved = rows.filter(({ url, listen_address }) => places.get(url) !== listen_address).length;
    const { rssMiB } = await processFigures(stage.pid);
    const figures = {
      name,
      pages: pagesOf(wanted.length),
      seconds,
      hostsWrites: hosts.writes - writesBefore,
      rssMiB,
      moved,
    };
    say(renderStep(figures));
    steps.push(figures);
  }

  for (const url of urls) stage.cloud.addEndpoint({ url, backend: "echo" });
  await step(`${count} appear`, urls);
  for (const { id } of stage.cloud.endpoints().slice(0, -1)) stage.cloud.removeEndpoint(id);
  await step(`${count - 1} vanish`, urls.slice(0, 1));
  for (const url of urls.slice(1)) stage.cloud.addEndpoint({ url, backend: "echo" });
  await step("all return", urls);

  const idle = await idlePoll(stage, { pages: pagesOf(count), ask: askForIdlePoll });
  say(renderIdle(idle));
  return { steps, idle, problems: [...problemsOf(steps, idle), ...refusedRequests(stage)] };
}

function urlOf(index: number): string {
  const [scheme, port] = SCHEMES[index % SCHEMES.length]!;
  return `${scheme}://service-${String(index).padStart(5, "0")}.team-${index % 40}.scale:${port}`;
}

function pagesOf(count: number): number {
  return Math.max(1, Math.ceil(count / PAGE_SIZE));
}

/** The answers to requests for a page so far. */
function pagesAnswered(stage: Stage): { at: number }[] {
  return stage.cloud.requests().filter(({ path, status }) =>
    path.includes("/bound_endpoints") && status === 200
  );
}

/** Asks for a poll; gives the time at which the last page was asked for. */
async function pollNow(stage: Stage, count: number): Promise<number> {
  const before = pagesAnswered(stage).length;
  await stage.ask("set-api-key", [stage.cloud.apiKey]);
  const wanted = before + pagesOf(count);
  await stage.until("the whole list is read", () => pagesAnswered(stage).length >= wanted, POLL_WITHIN_MS);
  return pagesAnswered(stage)[wanted - 1]!.at;
}

/** Waits until the hosts file holds exactly these endpoints' names, and `list` exactly them, all active. */
async function reconciled(stage: Stage, urls: readonly string[]): Promise<EndpointReport[]> {
  const names = urls.map((url) => new URL(url.replace(/^[a-z]+/, "http")).hostname).sort().join("\n");
  await stage.until("the hosts file is right", async () => await namesIn(stage.hostsPath) === names, 60_000);
  const wanted = urls.toSorted().join("\n");
  let rows: EndpointReport[] = [];
  await stage.until("every endpoint is active", async () => {
    rows = await stage.askList();
    return rows.every(({ state }) => state === "active") &&
      rows.map(({ url }) => url).sort().join("\n") === wanted;
  }, 60_000);
  return rows;
}

async function namesIn(path: string): Promise<string> {
  const text = await Deno.readTextFile(path);
  const names = text.split("\n").slice(1).flatMap((line) => /^[0-9.]+\t(\S+)$/.exec(line)?.[1] ?? []);
  return names.sort().join("\n");
}

/** Measures the daemon's process over a poll that finds everything as it was. */
async function idlePoll(stage: Stage, options: { pages: number; ask: boolean }): Promise<IdleFigures> {
  const { pages, ask } = options;
  const files = [stage.hostsPath, ...STATE_FILES.map((name) => `${stage.etc}/${name}`)];
  const stampsBefore = await Promise.all(files.map(stampOf));
  const answered = pagesAnswered(stage).length;
  let before = await calmFigures(stage.pid);
  if (ask) await stage.ask("set-api-key", [stage.cloud.apiKey]);
  // What the daemon does between two polls is not part of one.
  await stage.until("a poll", async () => {
    const now = await processFigures(stage.pid);
    const begun = pagesAnswered(stage).length > answered;
    if (!begun) before = now;
    return begun;
  }, POLL_WITHIN_MS);
  await stage.until("its end", () => pagesAnswered(stage).length >= answered + pages, POLL_WITHIN_MS);
  const after = await calmFigures(stage.pid);
  const stampsAfter = await Promise.all(files.map(stampOf));
  return {
    pages,
    cpuMs: Math.round((after.cpuSeconds - before.cpuSeconds) * 1000),
    written: files.filter((_, index) => stampsBefore[index] !== stampsAfter[index]),
  };
}

/** The figures once the process has nothing to do. */
async function calmFigures(pid: number): Promise<ProcessFigures> {
  for (let last = await processFigures(pid);;) {
    await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS));
    const now = await processFigures(pid);
    if (now.cpuSeconds - last.cpuSeconds < CALM_CPU_SECONDS) return now;
    last = now;
  }
}

function problemsOf(steps: readonly StepFigures[], idle: IdleFigures): string[] {
  const problems: string[] = [];
  function hold(what: string, value: number, most: number): void {
    if (!(value <= most)) problems.push(`${what}: ${value}, more than ${most}`);
  }
  for (const { name, seconds, hostsWrites, rssMiB, moved } of steps) {
    hold(`${name}: seconds`, seconds, TARGETS.stepSeconds);
    hold(`${name}: hosts file written`, hostsWrites, TARGETS.hostsWrites);
    hold(`${name}: MiB of memory`, rssMiB, TARGETS.rssMiB);
    hold(`${name}: endpoints on another address`, moved, 0);
  }
  hold("idle poll: ms of CPU", idle.cpuMs, TARGETS.idleCpuMs);
  hold("idle poll: files written", idle.written.length, TARGETS.idleWrites);
  return problems;
}

function refusedRequests(stage: Stage): string[] {
  const refused = stage.cloud.requests().filter(({ status }) => status === 429).length;
  return refused === 0 ? [] : [`the API refused ${refused} requests with 429`];
}

function renderStep(figures: StepFigures): string {
  const { name, pages, seconds, hostsWrites, rssMiB, moved } = figures;
  return `| ${name} | ${pages} | ${seconds.toFixed(1)} | ${hostsWrites} | ${moved} | ${rssMiB.toFixed(0)} |`;
}

function renderIdle({ pages, cpuMs, written }: IdleFigures): string {
  return `\nIdle poll of ${pages} pages: ${cpuMs} ms of CPU, ${
    written.length === 0 ? "no file written" : `written: ${written.join(" ")}`
  }`;
}

const HEAD = `| step | pages | seconds | hosts written | moved | RSS, MiB |
| --- | ---: | ---: | ---: | ---: | ---: |`;

if (import.meta.main) {
  const { values } = parseArgs({ options: { endpoints: { type: "string", default: "10000" } } });
  const count = Number(values.endpoints);
  if (!(Number.isInteger(count) && count >= 2)) {
    writeErr("Usage: deno task scale [--endpoints=N]    (N: 2 or more)\n");
    Deno.exit(2);
  }
  writeOut(`${HEAD}\n`);
  const { problems } = await scale(count, {
    sections: "net:\n  subnet: 127.112.0.0/16",
    prelude: "ulimit -n $(ulimit -Hn)",
    say: (line) => writeOut(`${line}\n`),
  });
  for (const problem of problems) writeErr(`Problem: ${problem}\n`);
  Deno.exit(problems.length === 0 ? 0 : 1);
}
