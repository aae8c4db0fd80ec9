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
  /** How many times as long as its target a time may be: on a machine that does other work too. @default {1} */
  readonly patience?: number;
}

/** Lets `count` endpoints appear at once, all but one vanish, and all return, before a daemon of its own; then measures an idle poll. */
export async function scale(count: number, options: ScaleOptions = {}): Promise<ScaleResult> {
  const { say = () => {}, askForIdlePoll = false } = options;
  const urls = Array.from({ length: count }, (_, index) => urlOf(index));
  await using subject = await Subject.open(options);
  const { cloud } = subject.stage;
  const steps: StepFigures[] = [];
  async function step(name: string, wanted: readonly string[]): Promise<void> {
    const figures = await subject.step(name, wanted);
    say(renderStep(figures));
    steps.push(figures);
  }

  for (const url of urls) cloud.addEndpoint({ url, backend: "echo" });
  await step(`${count} appear`, urls);
  for (const { id } of cloud.endpoints().slice(0, -1)) cloud.removeEndpoint(id);
  await step(`${count - 1} vanish`, urls.slice(0, 1));
  for (const url of urls.slice(1)) cloud.addEndpoint({ url, backend: "echo" });
  await step("all return", urls);

  const idle = await subject.idlePoll({ pages: pagesOf(count), ask: askForIdlePoll });
  say(`\nAn ${renderIdle(idle)}`);
  const problems = [
    ...steps.flatMap((step) => stepProblems(step, options.patience)),
    ...idleProblems(idle, options.patience),
    ...subject.refusedRequests(),
    ...options.shipped ? await wrongDriver(subject) : [],
  ];
  return { steps, idle, problems };
}

/**
 * Lets `count` endpoints on port 80 appear at once while this process holds that port on every address, so that each has to move. The
 * idle poll, which tries them all again, has no target.
 */
export async function scaleHeld(count: number, options: ScaleOptions = {}): Promise<ScaleResult> {
  const { say = () => {} } = options;
  using _holder = Deno.listen({ hostname: "0.0.0.0", port: HTTP_PORT });
  const urls = Array.from({ length: count }, (_, index) => `http://e${index}.scale.test`);
  await using subject = await Subject.open(options);
  for (const url of urls) subject.stage.cloud.addEndpoint({ url, backend: "echo" });
  const { rows, ...step } = await subject.step(`${count} appear, port ${HTTP_PORT} held`, urls);
  say(renderStep(step));
  const unmoved = rows.filter(({ listen_address }) => listen_address.endsWith(`:${HTTP_PORT}`)).length;
  const idle = await subject.idlePoll({ pages: pagesOf(count), ask: false });
  say(`\nFor information, port ${HTTP_PORT} held: an ${renderIdle(idle)}`);
  const problems = [...stepProblems(step, options.patience), ...subject.refusedRequests()];
  if (unmoved > 0) problems.push(`${step.name}: ${unmoved} endpoints are on a port that was held`);
  return { steps: [step], idle, problems };
}

function urlOf(index: number): string {
  const [scheme, port] = SCHEMES[index % SCHEMES.length]!;
  return `${scheme}://service-${String(index).padStart(5, "0")}.team-${index % 40}.scale:${port}`;
}

/** What was measured is not what was meant, if the daemon had to do with something else. */
async function wrongDriver({ stage }: Subject): Promise<string[]> {
  const { driver, kind, subnet, reason } = (await stage.askStatus()).addresses;
  const right = driver === "linux_ip" && subnet === "10.107.0.0/16" && reason === null;
  return right ? [] : [`the addresses are of ${driver} (${kind}), ${subnet}: ${reason}`];
}
