import { realIo } from "./src/cli/io.ts";
import { runCtl } from "./src/cli/run.ts";
import { keepInspectorClosed } from "./src/system/inspector.ts";

// An editor can stay open for hours, and root runs the client.
keepInspectorClosed();
Deno.exit(await runCtl(Deno.args, realIo()));
