import { sleep } from "../../../src/system/clock.ts";
import { dial } from "../../e2e/client.ts";
import type { DaemonProcess } from "./daemon_process.ts";
import type { Machine } from "./machine.ts";
import type { Tally } from "./report.ts";

const STOP_LIMIT_MS = 2000;
const URL = "tcp://echo.myapp:7001";
/** Times between two signals; one start has the first, the next start the second, and so on. */
const INTERVALS_MS = [0, 5, 10, 20];

/**
 * Sends SIGTERM at each of these moments of a start, first once and then twice, and at the end
 * twice while a connection is open.
 */
export async function stops(
  machine: Machine,
  options: { momentsMs: readonly number[]; tally: Tally },
): Promise<void> {
  const { momentsMs, tally } = options;
  machine.cloud.addEndpoint({ url: URL, backend: "echo" });
  for (const [moment, ms] of momentsMs.entries()) {
    for (const signals of [1, 2]) {
      const running = machine.start();
      await sleep(ms);
      if (signals === 2) {
        running.kill("SIGTERM");
        await sleep(INTERVALS_MS[moment % INTERVALS_MS.length]!);
      }
      await stop(running, { name: `SIGTERM × ${signals} after ${ms} ms`, code: 0, tally, machine });
    }
  }
  const running = machine.start();
  const addresses = await machine.untilServed(["echo.myapp"], running);
  using conn = await dial(`${addresses.get("echo.myapp")}:7001`);
  await conn.write(new Uint8Array([7]));
  await conn.read(new Uint8Array(1));
  running.kill("SIGTERM");
  await running.until(
    "the daemon waits for the connection",
    () => running.log.some((line) => line.includes("Waiting for running")),
  );
  // A connection is cut, and yet the stop is an orderly one.
  await stop(running, { name: "SIGTERM × 2 with an open connection", code: 0, tally, machine });
}

/** Sends the last signal, and checks the exit code, the duration and the leftovers. */
async function stop(running: DaemonProcess, options: StopOptions): Promise<void> {
  const { name, code, tally, machine } = options;
  const startedAt = performance.now();
  running.kill("SIGTERM");
  const status = await running.ended;
  tally.addFigure(name, { name: "signal to end", ms: performance.now() - startedAt, limitMs: STOP_LIMIT_MS });
  const problems = await machine.leftovers.find();
  // The runtime cannot catch a signal before it has loaded the program.
  const isEarly = status.signal === "SIGTERM" && running.log.length === 0;
  if (!isEarly && (status.code !== code || status.signal !== null)) {
    problems.push(`the daemon ended with ${status.signal ?? status.code}`, ...running.log.slice(-10));
  }
  tally.addRun(name, problems);
}

interface StopOptions {
  readonly name: string;
  /** The expected exit code. */
  readonly code: number;
  readonly tally: Tally;
  readonly machine: Machine;
}
