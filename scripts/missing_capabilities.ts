// Prints as JSON which of the given capabilities this process lacks. `launch.ts` runs it with the
// shipped set.
import { z } from "zod";
import { holds } from "../src/system/permissions.ts";
import { writeOut } from "../src/system/terminal.ts";

/** Schema of a list of capabilities. */
export const capabilities = z.array(z.discriminatedUnion("kind", [
  z.object({ kind: z.enum(["read", "write", "run"]), path: z.string() }),
  z.object({ kind: z.literal("net"), host: z.string() }),
]));

if (import.meta.main) {
  const asked = capabilities.parse(JSON.parse(Deno.args[0] ?? ""));
  writeOut(JSON.stringify(asked.filter((capability) => !holds(capability))));
}
