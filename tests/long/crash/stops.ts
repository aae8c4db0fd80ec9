import { connectAndEcho, kill, type Machine, type Running, until } from "./machine.ts";
import type { Tally } from "./report.ts";

const END_LIMIT_MS = 2000;
const URL = "tcp://echo.myapp:7001";
/** Between two signals, one after the other. */
const APART_MS = [0, 5, 10, 20];

/** SIGTERM at each of these moments of a start, once and then twice, and twice while a connection is open. */
export async function stops(
  machine: Machine,
  options: { momentsMs: readonly number[]; tally: Tally },
): Promise<void> {
  const { momentsMs, tally } = options;
  machine.cloud.addEndpoint({ url: URL, backend: "echo" });
  for (const [moment, ms] of momentsMs.entries()) {
    for (const signals of [1, 2]) {
      const what = `SIGTERM ${signals} × after ${ms} ms`;
      const running = machine.start();
      await pause(ms);
      if (signals === 2) {
        kill(running.pid, "SIGTERM");
        await pause(APART_MS[moment % APART_MS.length]!);
      }
      await end(running, { what, code: 0, tally, machine });
    }
  }
  const running = machine.start();
  const addresses = await machine.serves(["echo.myapp"], running);
  using _conn = await connectAndEcho(addresses.get("echo.myapp")!, 7001);
  kill(running.pid, "SIGTERM");
  const draining = () => Promise.resolve(running.log.some((line) => line.includes("Waiting for running")));
  await until("it waits for the connection", draining, { running });
  // Not all connections have ended by themselves.
  await end(running, { what: "SIGTERM 2 × with an open connection", code: 1, tally, machine });
}

interface EndOptions {
  readonly what: string;
  readonly code: number;
  readonly tally: Tally;
  readonly machine: Machine;
}

/** Sends the last signal, and holds the end against what it must be. */
async function end(running: Running, options: EndOptions): Promise<void> {
  const { what, code, tally, machine } = options;
  const startedAt = performance.now();
  kill(running.pid, "SIGTERM");
  const status = await running.ended;
  tally.measured(what, { name: "signal to end", ms: performance.now() - startedAt, limitMs: END_LIMIT_MS });
  const problems = await machine.left();
  // The runtime takes a while until it can catch a signal.
  const early = status.signal === "SIGTERM" && running.log.length === 0;
  if (!early && (status.code !== code || status.signal !== null)) {
    problems.push(`it ended with ${status.code} ${status.signal ?? ""}`, ...running.log.slice(-10));
  }
  tally.ran(what, problems);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
