// Prints those of the given capabilities that this process lacks, as JSON. `launch.ts` runs it with the set that the daemon ships with.
import { z } from "zod";
import { holds } from "../src/system/permissions.ts";
import { writeOut } from "../src/system/terminal.ts";

/** A list of capabilities as JSON. */
export const capabilities = z.array(z.discriminatedUnion("kind", [
  z.object({ kind: z.enum(["read", "write"]), path: z.string() }),
  z.object({ kind: z.literal("net"), host: z.string() }),
]));

if (import.meta.main) {
  const asked = capabilities.parse(JSON.parse(Deno.args[0] ?? ""));
  writeOut(JSON.stringify(asked.filter((capability) => !holds(capability))));
}
