import { LiveConfig, problemTexts } from "../config/live_config.ts";
import { configureLog } from "../log/configure.ts";
import { PROGRAMS_VARIABLE, withPrograms } from "../lib/own_commands.ts";
import { hintOf, messageOf } from "../model/errors.ts";
import type { System } from "../system/system.ts";
import { parseArguments } from "./arguments.ts";
import { cleanUp } from "./clean_up.ts";
import { deregister } from "./deregister.ts";
import { logWriter } from "./log_writer.ts";
import { serve } from "./serve.ts";

/** Exit codes of the daemon. */
const OK = 0;
const FAILURE = 1;
const USAGE = 2;

/** The longest time that unread log lines delay the exit. */
const FLUSH_MS = 1000;

/** Runs the daemon, the clean-up or the deregistration, and returns the exit code. */
export async function runDaemon(argv: readonly string[], system: System): Promise<number> {
  const asked = parseArguments(argv);
  if (asked.action === "print") {
    system.writeOut(asked.text);
    return OK;
  }
  if (asked.action === "usage") {
    system.writeErr(withPrograms(asked.message, system.readEnvironment(PROGRAMS_VARIABLE)));
    return USAGE;
  }
  const { action, configPath, verbose } = asked;
  using _inspector = system.keepInspectorClosed();
  configureLog({ level: verbose ? "debug" : "info", format: "text", write: logWriter(system) });
  try {
    if (action === "cleanup") {
      const live = await LiveConfig.openOrDefaults(configPath, system);
      return await cleanUp(live, system) ? OK : FAILURE;
    }
    const live = await LiveConfig.open(configPath, system);
    if (action === "run") return await serve(live, { system, verbose }) ? OK : FAILURE;
    await deregister(live, system);
    return OK;
  } catch (error) {
    reportFailure(error, system);
    return FAILURE;
  } finally {
    await system.logOutput.flush(FLUSH_MS);
  }
}

/** Writes `Error: …` and the hint to standard error. */
function reportFailure(error: unknown, system: System): void {
  const hint = hintOf(error);
  system.writeErr(`Error: ${messageOf(error)}\n`);
  if (problemTexts(error).length > 1) {
    for (const problem of problemTexts(error)) system.writeErr(`  ${problem}\n`);
  }
  const directory = system.readEnvironment(PROGRAMS_VARIABLE);
  if (hint !== undefined) system.writeErr(`${withPrograms(hint, directory)}\n`);
}
