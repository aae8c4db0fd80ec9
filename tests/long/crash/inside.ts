// One part of the proof, in namespaces of its own; the last line of what it prints is the report. Started by run_part.ts.
import { writeOut } from "../../../src/system/terminal.ts";
import { churn } from "./churn.ts";
import { Machine } from "./machine.ts";
import { Tally } from "./report.ts";
import type { Part } from "./run_part.ts";
import { stops } from "./stops.ts";
import { sweep } from "./sweep.ts";
import { twins } from "./twins.ts";

async function run(part: Part, tally: Tally): Promise<void> {
  if (part.kind === "sweep") return await sweep(part.calls, tally);
  await using machine = await Machine.open();
  switch (part.kind) {
    case "churn":
      return await churn(machine, { ...part, tally });
    case "stops":
      return await stops(machine, { ...part, tally });
    case "twins":
      return await twins(machine, { ...part, tally });
  }
}

if (import.meta.main) {
  const tally = new Tally(Number(Deno.args[1]));
  await run(JSON.parse(Deno.args[0]!), tally);
  writeOut(`${JSON.stringify(tally.report)}\n`);
}
