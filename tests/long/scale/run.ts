// All steps on this machine. scale.ts runs this file in namespaces of its own if it can.
import { writeOut } from "../../../src/system/terminal.ts";
import { reportProblems } from "../task.ts";
import { HEAD } from "./figures.ts";
import { scale, scaleHeld, type ScaleOptions } from "./scale.ts";

const SHIPPED =
  "As root in namespaces of its own: `deno task ngrokd` on its default paths, 10.107.0.0/16 and /etc/hosts";
const UNPRIVILEGED =
  "Without root and namespaces: loopback addresses and a hosts file in a temporary directory. " +
  "The Linux driver and /etc/hosts are not part of the measurement, and no step holds port 80";

/** Runs all steps, prints the figures and the problems, and returns the exit code. */
export async function runScale(
  count: number,
  options: { readonly shipped: boolean; readonly patience: number },
): Promise<number> {
  const { shipped } = options;
  const scaleOptions: ScaleOptions = {
    ...options,
    prelude: "ulimit -n $(ulimit -Hn)",
    onProgress: (line) => writeOut(`${line}\n`),
  };
  writeOut(`${shipped ? SHIPPED : UNPRIVILEGED}\nLoad average: ${loadAverage()}\n\n${HEAD}\n`);
  const { problems } = await scale(count, scaleOptions);
  if (!shipped) return finish(problems);
  writeOut(`\n${HEAD}\n`);
  return finish([...problems, ...(await scaleHeld(count, scaleOptions)).problems]);
}

function finish(problems: readonly string[]): number {
  writeOut(`\nLoad average: ${loadAverage()}\n`);
  return reportProblems(problems);
}

function loadAverage(): string {
  return Deno.loadavg().map((value) => value.toFixed(2)).join(" ");
}

if (import.meta.main) {
  const [count, patience] = Deno.args.map(Number);
  Deno.exit(await runScale(count!, { shipped: true, patience: patience! }));
}
