import type { StageOptions } from "../../../sim/stage.ts";
import {
  type IdleFigures,
  idleProblems,
  renderIdle,
  renderStep,
  type StepFigures,
  stepProblems,
} from "./figures.ts";
import { pagesOf, Subject } from "./subject.ts";

const SCHEMES = [["http", 8080], ["tls", 8443], ["tcp", 7000]] as const;
const HTTP_PORT = 80;

/**
 * Measures a daemon of its own while `count` endpoints appear at once, all but one vanish, and all
 * return; then measures an idle poll.
 */
export async function scale(count: number, options: ScaleOptions = {}): Promise<ScaleResult> {
  const { onProgress = () => {}, askForIdlePoll = false, patience } = options;
  const urls = Array.from({ length: count }, (_, index) => urlOf(index));
  await using subject = await Subject.open(options);
  const { cloud } = subject.stage;
  const steps: StepFigures[] = [];
  async function step(name: string, wanted: readonly string[]): Promise<void> {
    const figures = await subject.step(name, wanted);
    onProgress(renderStep(figures));
    steps.push(figures);
  }

  for (const url of urls) cloud.addEndpoint({ url, backend: "echo" });
  await step(`${count} appear`, urls);
  for (const { id } of cloud.endpoints().slice(0, -1)) cloud.removeEndpoint(id);
  await step(`${count - 1} vanish`, urls.slice(0, 1));
  for (const url of urls.slice(1)) cloud.addEndpoint({ url, backend: "echo" });
  await step("all return", urls);

  const idle = await subject.idlePoll({ pages: pagesOf(count), ask: askForIdlePoll });
  onProgress(`\n${renderIdle(idle)}`);
  const problems = [
    ...steps.flatMap((figures) => stepProblems(figures, patience)),
    ...idleProblems(idle, patience),
    ...subject.refusedRequests(),
    ...options.shipped ? await driverProblems(subject) : [],
  ];
  return { steps, idle, problems };
}

/**
 * Measures a daemon of its own while `count` endpoints on port 80 appear at once and this process
 * holds that port on every address, so that each endpoint needs another port. The idle poll tries
 * port 80 again for all of them, and has no limit.
 */
export async function scaleHeld(count: number, options: ScaleOptions = {}): Promise<ScaleResult> {
  const { onProgress = () => {}, patience } = options;
  using _holder = Deno.listen({ hostname: "0.0.0.0", port: HTTP_PORT });
  const urls = Array.from({ length: count }, (_, index) => `http://e${index}.scale.test`);
  await using subject = await Subject.open(options);
  for (const url of urls) subject.stage.cloud.addEndpoint({ url, backend: "echo" });
  const { rows, ...step } = await subject.step(`${count} appear, port ${HTTP_PORT} held`, urls);
  onProgress(renderStep(step));
  const onHeldPort = rows.filter(({ listen_address }) => listen_address.endsWith(`:${HTTP_PORT}`)).length;
  const idle = await subject.idlePoll({ pages: pagesOf(count), ask: false });
  onProgress(`\n${renderIdle(idle)} (no limit while port ${HTTP_PORT} is held)`);
  const problems = [...stepProblems(step, patience), ...subject.refusedRequests()];
  if (onHeldPort > 0) problems.push(`${step.name}: ${onHeldPort} endpoints are on a port that was held`);
  return { steps: [step], idle, problems };
}

/** Options of {@linkcode scale}. */
export interface ScaleOptions extends StageOptions {
  readonly onProgress?: (line: string) => void;
  /**
   * True asks for the idle poll instead of waiting for it. This is faster, but the figures include
   * the command. @default {false}
   */
  readonly askForIdlePoll?: boolean;
  /** The factor of all time limits, for a machine that does other work, too. @default {1} */
  readonly patience?: number;
}

/** All figures, and a line for each that misses its limit. */
export interface ScaleResult {
  readonly steps: readonly StepFigures[];
  readonly idle: IdleFigures;
  readonly problems: readonly string[];
}

function urlOf(index: number): string {
  const [scheme, port] = SCHEMES[index % SCHEMES.length]!;
  return `${scheme}://service-${String(index).padStart(5, "0")}.team-${index % 40}.scale:${port}`;
}

/** The figures of another driver or subnet would say nothing about the shipped one. */
async function driverProblems({ stage }: Subject): Promise<string[]> {
  const { driver, kind, subnet, reason } = (await stage.askStatus()).addresses;
  const isRight = driver === "linux_ip" && subnet === "10.107.0.0/16" && reason === null;
  return isRight ? [] : [`another driver was measured: ${driver} (${kind}), ${subnet}: ${reason}`];
}
