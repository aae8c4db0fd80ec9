import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import type { Session } from "../session.ts";

/** What help is about. */
export interface HelpTopic {
  readonly program: CommandUnknownOpts;
  /** A command's words: `config edit`. None: all commands. */
  readonly words: readonly string[];
  /** Refuses words that are no command. */
  readonly unknown: (parent: CommandUnknownOpts, words: readonly string[]) => void;
}

/** `ngrokctl help [command]` */
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
