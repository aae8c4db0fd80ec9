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

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      endpoints: { type: "string", default: "10000" },
      patience: { type: "string", default: "1" },
    },
  });
  const [count, patience] = [Number(values.endpoints), Number(values.patience)];
  if (!(Number.isInteger(count) && count >= 2 && patience >= 1)) {
    writeErr(USAGE);
    return 2;
  }
  if (NEEDS_ROOT) return await runScale(count, { shipped: false, patience });
  const script = ["tests/long/scale/run.ts", String(count), String(patience)];
  return (await scriptInside(script).spawn().status).code;
}

if (import.meta.main) Deno.exit(await main());
