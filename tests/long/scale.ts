// Measures the daemon while 10,000 endpoints appear, vanish and return. As root it runs in
// namespaces of its own with the real driver.
// Usage: deno task scale [--endpoints=N] [--patience=FACTOR]
import { parseArgs } from "node:util";
import { writeErr } from "../../src/system/terminal.ts";
import { scriptInside } from "../root/namespace.ts";
import { NEEDS_ROOT } from "../root/needs_root.ts";
import { runScale } from "./scale/run.ts";

const USAGE = `Usage: deno task scale [--endpoints=N] [--patience=FACTOR]

  --endpoints=N      the number of endpoints, 2 or more (default: 10000)
  --patience=FACTOR  the factor of all time limits, 1 or more (default: 1)
`;

/** Parses the command line; returns undefined if it is wrong. */
function parseArguments(): { count: number; patience: number } | undefined {
  const option = (value: string) => ({ type: "string", default: value }) as const;
  try {
    const { values } = parseArgs({ options: { endpoints: option("10000"), patience: option("1") } });
    const [count, patience] = [Number(values.endpoints), Number(values.patience)];
    return Number.isInteger(count) && count >= 2 && patience >= 1 ? { count, patience } : undefined;
  } catch {
    return undefined;
  }
}

async function main(): Promise<number> {
  const options = parseArguments();
  if (options === undefined) {
    writeErr(USAGE);
    return 2;
  }
  const { count, patience } = options;
  if (NEEDS_ROOT) return await runScale(count, { shipped: false, patience });
  const script = ["tests/long/scale/run.ts", String(count), String(patience)];
  return (await scriptInside(script).spawn().status).code;
}

if (import.meta.main) Deno.exit(await main());
