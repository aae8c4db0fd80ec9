// One part of the task, in namespaces of its own. The last line of its output is the report as
// JSON. Started by run_part.ts.
import { writeOut } from "../../../src/system/terminal.ts";
import { churn } from "./churn.ts";
import { doubleStarts } from "./double_starts.ts";
import { Machine } from "./machine.ts";
import { Tally } from "./report.ts";
import type { Part } from "./run_part.ts";
import { stops } from "./stops.ts";
import { sweep } from "./sweep.ts";

async function run(part: Part, tally: Tally): Promise<void> {
  if (part.kind === "sweep") return await sweep(part.calls, tally);
  await using machine = await Machine.open();
  switch (part.kind) {
    case "churn":
      return await churn(machine, { ...part, tally });
    case "stops":
      return await stops(machine, { ...part, tally });
    case "double_starts":
      return await doubleStarts(machine, { ...part, tally });
  }
}

if (import.meta.main) {
  const tally = new Tally(Number(Deno.args[1]));
  await run(JSON.parse(Deno.args[0]!), tally);
  writeOut(`${JSON.stringify(tally.report)}\n`);
}
