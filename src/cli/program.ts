import { Command, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { DEFAULT_CONFIG_PATH } from "../config/paths.ts";
import { didYouMean } from "../lib/did_you_mean.ts";
import { VERSION } from "../lib/version.ts";
import { configEdit } from "./commands/config_edit.ts";
import { health } from "./commands/health.ts";
import { help } from "./commands/help.ts";
import { list } from "./commands/list.ts";
import { rebind } from "./commands/rebind.ts";
import { refreshCert } from "./commands/refresh_cert.ts";
import { setApiKey } from "./commands/set_api_key.ts";
import { status } from "./commands/status.ts";
import { trustFetch, trustForget, trustShow } from "./commands/trust.ts";
import { version } from "./commands/version.ts";
import type { CtlIo } from "./io.ts";
import { openSession, type Session } from "./session.ts";
import { UsageError } from "./usage_error.ts";

const HELP_WIDTH = 80;

/** Receives the help texts of commander, and the exit code of a command that did not fail. */
export interface ProgramOutput {
  writeOut(text: string): void;
  writeErr(text: string): void;
  exitWith(code: number): void;
}

/**
 * Creates the command line of `ngrokctl`. A command that fails throws; nothing exits the process.
 */
export function createProgram(io: CtlIo, output: ProgramOutput): CommandUnknownOpts {
  const program = new Command("ngrokctl")
    .description("Control the ngrokd daemon")
    .version(`ngrokctl version ${VERSION}`, "--version", "print the version")
    .option("--json", "print JSON")
    .option("--socket <path>", "the socket (default: $NGROKD_SOCKET, else /run/ngrokd/ngrokd.sock)")
    .helpCommand(false)
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    // Without these, commander reads the terminal and the environment.
    .configureOutput({
      writeOut: output.writeOut,
      writeErr: output.writeErr,
      outputError: () => {},
      getOutHelpWidth: () => HELP_WIDTH,
      getErrHelpWidth: () => HELP_WIDTH,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    });
  const session = (): Session => openSession(io, program.opts());
  const unknown = (parent: CommandUnknownOpts, words: readonly string[]) => {
    const names = parent.commands.map((command) => command.name());
    const near = didYouMean(words.at(-1) ?? "", names);
    const known = [...words.slice(0, -1), near].join(" ");
    throw new UsageError(`Unknown command: ${words.join(" ")}`, {
      hint: near === undefined ? undefined : `Did you mean: ngrokctl ${known}`,
      usage: parent.helpInformation(),
      bare: true,
    });
  };
  program.on("command:*", ([word = ""]: string[]) => unknown(program, [word]));

  program.command("status")
    .description("Show the state of the daemon and its problems")
    .addHelpText("after", example("ngrokctl status", "ngrokctl status --json | jq .certificate.days_left"))
    .action(async () => output.exitWith(await status(session())));

  program.command("list")
    .description("List the endpoints and their addresses on this machine")
    .addHelpText(
      "after",
      example("ngrokctl list", "ngrokctl list --json | jq -r '.endpoints[].listen_address'"),
    )
    .action(() => list(session()));

  program.command("health")
    .description("Show the health report of the daemon")
    .addHelpText("after", example("ngrokctl health", "ngrokctl health --json | jq .reasons"))
    .action(() => health(session()));

  program.command("set-api-key")
    .description("Set the ngrok API key; prompts for the key if KEY is missing")
    .argument("[KEY]", "the key, or - to read it from standard input")
    .addHelpText("after", example("ngrokctl set-api-key", "ngrokctl set-api-key - < key.txt"))
    .action((key) => setApiKey(session(), key));

  program.command("refresh-cert")
    .description("Renew the certificate if it is due")
    .option("--force", "renew it now")
    .addHelpText("after", example("ngrokctl refresh-cert", "ngrokctl refresh-cert --force"))
    .action(({ force = false }) => refreshCert(session(), force));

  program.command("rebind")
    .description("Move the virtual addresses to a subnet that overlaps with no other network")
    .addHelpText("after", example("ngrokctl rebind"))
    .action(() => rebind(session()));

  const trust = program.command("trust")
    .description("Show or change the CAs that verify the ingress")
    .usage("show|fetch|forget [options]")
    .argument("[command]")
    .addHelpText("after", example("ngrokctl trust show", "ngrokctl trust fetch"))
    .action((word) => {
      if (word !== undefined) unknown(trust, ["trust", word]);
      throw new UsageError("Usage: ngrokctl trust show|fetch|forget", { bare: true });
    });
  trust.command("show")
    .description("Show the trusted CAs and the certificates of the ingress")
    .addHelpText(
      "after",
      example("ngrokctl trust show", "ngrokctl trust show --json | jq -r .presented.certificates[].sha256"),
    )
    .action(() => trustShow(session()));
  trust.command("fetch")
    .description("Download ngrok's CA; the daemon checks its fingerprint")
    .option("--file <->", "read it from standard input instead")
    .addHelpText("after", example("ngrokctl trust fetch", "ngrokctl trust fetch --file - < ngrok-ca.crt"))
    .action(({ file }) => trustFetch(session(), file));
  trust.command("forget")
    .description("Delete the CA that was learnt or fetched")
    .addHelpText("after", example("ngrokctl trust forget"))
    .action(() => trustForget(session()));

  const config = program.command("config")
    .description("Edit the configuration file")
    .usage("edit [options]")
    .argument("[command]")
    .addHelpText("after", example("ngrokctl config edit"))
    .action((word) => {
      if (word !== undefined) unknown(config, ["config", word]);
      throw new UsageError("Usage: ngrokctl config edit", { bare: true });
    });
  config.command("edit")
    .description("Open the configuration file in $EDITOR, $VISUAL, vi or vim, then check it")
    .option("--config <path>", "the file", DEFAULT_CONFIG_PATH)
    .addHelpText("after", example("ngrokctl config edit", "EDITOR='code --wait' ngrokctl config edit"))
    .action((options) => configEdit(session(), options.config));

  program.command("version")
    .description("Print the version")
    .addHelpText("after", example("ngrokctl version", "ngrokctl version --json"))
    .action(() => version(session()));

  program.command("help")
    .description("Show the help of a command")
    .argument("[command...]")
    .addHelpText("after", example("ngrokctl help", "ngrokctl help set-api-key"))
    .action((words) => help(session(), { program, words, unknown }));

  program.addHelpText("after", example("ngrokctl status", "ngrokctl list --json"));
  return program;
}

function example(...lines: readonly string[]): string {
  return `\n${lines.length === 1 ? "Example" : "Examples"}:\n${lines.map((line) => `  ${line}\n`).join("")}`
    .trimEnd();
}
