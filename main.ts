import { runDaemon } from "./src/daemon/run.ts";
import { realSystem } from "./src/system/system.ts";

Deno.exit(await runDaemon(Deno.args, realSystem()));
