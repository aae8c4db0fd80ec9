import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import type { Session } from "../session.ts";

/** Runs `ngrokctl help [command]`. */
export function help(session: Session, { program, words, unknown }: HelpTopic): void {
  let topic = program;
  for (const [index, word] of words.entries()) {
    const next = topic.commands.find((command) => command.name() === word);
    if (next === undefined) return unknown(topic, words.slice(0, index + 1));
    topic = next;
  }
  if (!session.json) return topic.outputHelp();
  session.print({ schema: 1, ...describe(topic) }, () => "");
}

/** The subject of a help text. */
export interface HelpTopic {
  readonly program: CommandUnknownOpts;
  /** The words of a command, such as `config edit`; all commands if empty. */
  readonly words: readonly string[];
  /** Throws for words that are not a command. */
  readonly unknown: (parent: CommandUnknownOpts, words: readonly string[]) => void;
}

interface Description {
  readonly name: string;
  readonly usage: string;
  readonly description: string;
  readonly options: readonly { flags: string; description: string }[];
  readonly commands: readonly Description[];
}

function describe(command: CommandUnknownOpts): Description {
  return {
    name: command.name(),
    usage: command.usage(),
    description: command.description(),
    options: command.options.map(({ flags, description }) => ({ flags, description })),
    commands: command.commands.map((inner) => describe(inner)),
  };
}
