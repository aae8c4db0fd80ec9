// Runs one flood under a memory limit, in the network namespace that it is started in, and prints
// its figures as JSON. `deno task flood --memory` starts it for each row of the table.
import { writeOut } from "../../../src/system/terminal.ts";
import { floodMemory } from "./memory.ts";

writeOut(`${JSON.stringify(await floodMemory(JSON.parse(Deno.args[0]!)))}\n`);
// Uploads to the simulated cloud may still hang.
Deno.exit();
