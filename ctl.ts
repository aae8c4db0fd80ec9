import { realIo } from "./src/cli/io.ts";
import { runCtl } from "./src/cli/run.ts";

Deno.exit(await runCtl(Deno.args, realIo()));
