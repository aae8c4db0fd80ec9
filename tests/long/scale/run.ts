// All steps, here and now. Started by scale.ts, as root in namespaces of its own where that can be.
import { writeErr, writeOut } from "../../../src/system/terminal.ts";
import { HEAD } from "./figures.ts";
import { scale, scaleHeld, type ScaleOptions } from "./scale.ts";

const AS_SHIPPED =
  "As root in namespaces of its own: `deno task ngrokd` on its default paths, 10.107.0.0/16 and /etc/hosts";
const UNPRIVILEGED =
  "Not as root with namespaces: 127.112.0.0/16 and a hosts file in a temporary directory, " +
  "so neither the Linux driver nor /etc/hosts take part, and no port 80 is held";

/** Runs it all and prints the figures; gives the exit code. */
export async function runScale(
  count: number,
  options: { readonly shipped: boolean; readonly patience: number },
): Promise<number> {
  const { shipped, patience } = options;
  const scaleOptions: ScaleOptions = {
    patience,
    prelude: "ulimit -n $(ulimit -Hn)",
    say: (line) => writeOut(`${line}\n`),
    ...shipped ? { shipped } : { sections: "net:\n  subnet: 127.112.0.0/16" },
  };
  writeOut(`${shipped ? AS_SHIPPED : UNPRIVILEGED}\nLoad: ${load()}\n\n${HEAD}\n`);
  const { problems } = await scale(count, scaleOptions);
  const all = [...problems];
  if (shipped) {
    writeOut(`\n${HEAD}\n`);
    all.push(...(await scaleHeld(count, scaleOptions)).problems);
  }
  writeOut(`\nLoad: ${load()}\n`);
  for (const problem of all) writeErr(`Problem: ${problem}\n`);
  return all.length === 0 ? 0 : 1;
}

function load(): string {
  return Deno.loadavg().map((value) => value.toFixed(2)).join(" ");
}

if (import.meta.main) {
  const [count, patience] = Deno.args.map(Number);
  Deno.exit(await runScale(count!, { shipped: true, patience: patience! }));
}
