import { Command, CommanderError } from "@commander-js/extra-typings";
import { DEFAULT_CONFIG_PATH } from "../config/paths.ts";
import { didYouMean } from "../lib/did_you_mean.ts";
import { escapeControls } from "../lib/printable.ts";
import { VERSION } from "../lib/version.ts";
import { translateGoFlags } from "./go_flags.ts";

const COMMANDS = ["run", "cleanup", "deregister"];
const EXAMPLES = `
Examples:
  ngrokd --config=/etc/ngrokd/config.yml
  ngrokd deregister --config=/etc/ngrokd/config.yml    (after stopping the daemon, before uninstalling ngrokd)

Control it with ngrokctl.`;

/**
 * Parses `[run | cleanup | deregister] [--config PATH] [-v] [--version]`, also with one dash
 * (docs/compatibility.md 4.1).
 */
export function parseArguments(argv: readonly string[]): DaemonArguments {
  let text = "";
  let result: DaemonArguments | undefined;
  const program = new Command("ngrokd")
    .description("Makes the private endpoints of an ngrok account reachable from this machine.")
    .option("--config <path>", "the configuration file", DEFAULT_CONFIG_PATH)
    .option("-v, --verbose", "log at level debug", false)
    .version(`ngrokd version ${VERSION}`, "--version", "print the version")
    .argument(
      "[command]",
      "run (the default); cleanup: remove what a daemon that was killed left behind; " +
        "deregister: remove this machine's operator from the ngrok account, and its id, key and certificate here",
    )
    .addHelpText("after", EXAMPLES)
    .configureOutput({
      writeOut: (part) => text += part,
      writeErr: (part) => text += part,
      // By default Commander reads the environment, which the permission set does not allow.
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .exitOverride()
    .action((command, options) => {
      result = command === undefined || command === "run" || command === "cleanup" || command === "deregister"
        ? { action: command ?? "run", configPath: options.config, verbose: options.verbose }
        : { action: "usage", message: unknownCommand(command) };
    });
  try {
    program.parse(translateGoFlags(argv), { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0
      ? { action: "print", text }
      : { action: "usage", message: text || `${error.message}\n` };
  }
  return result!;
}

function unknownCommand(command: string): string {
  const near = didYouMean(command, COMMANDS);
  const suggestion = near === undefined ? "See: ngrokd --help" : `Did you mean: ngrokd ${near}`;
  return `error: unknown command '${escapeControls(command)}'\n${suggestion}\n`;
}

/** The request of a command line: an action of the daemon, a text to print, or a usage error. */
export type DaemonArguments =
  | {
    readonly action: "run" | "cleanup" | "deregister";
    readonly configPath: string;
    readonly verbose: boolean;
  }
  | { readonly action: "print"; readonly text: string }
  | { readonly action: "usage"; readonly message: string };
