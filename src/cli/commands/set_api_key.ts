import { apiKeyProblem } from "../../config/api_key.ts";
import { KEY_PAGE } from "../../lib/key_page.ts";
import { PROGRAMS_VARIABLE, withPrograms } from "../../lib/own_commands.ts";
import { parseSentence } from "../parse_responses.ts";
import type { CtlIo } from "../io.ts";
import type { Session } from "../session.ts";
import { Interrupted, UsageError } from "../usage_error.ts";

const MAX_KEY_BYTES = 16 * 1024;
/** The daemon registers before it answers. */
const REGISTER_TIMEOUT_MS = 75_000;
const KEY_IS_VISIBLE = "Hint: other users can see a key on the command line; use: ngrokctl set-api-key\n";
const USAGE =
  "Usage: ngrokctl set-api-key\n       ngrokctl set-api-key - < FILE    (reads the key from a file)\n" +
  `\n${KEY_PAGE}\n`;

/** Runs `ngrokctl set-api-key [KEY | -]`. */
export async function setApiKey(session: Session, argument: string | undefined): Promise<void> {
  const key = (await readKey(session.io, argument) ?? "").trim();
  if (key === "") throw new UsageError("API key required", { usage: USAGE });
  const problem = apiKeyProblem(key);
  if (problem !== undefined) throw new UsageError(`Cannot use the API key: ${problem}`);
  const message = parseSentence(
    await session.call("set-api-key", { args: [key], timeoutMs: REGISTER_TIMEOUT_MS }),
  );
  session.print({ schema: 1, message }, () => DONE);
  if (argument !== undefined && argument !== "-" && !session.json) {
    const directory = session.io.readEnvironment(PROGRAMS_VARIABLE);
    session.io.writeErr(withPrograms(KEY_IS_VISIBLE, directory));
  }
}

const DONE = `✓ API key set successfully

The daemon will now:
  1. Register with the ngrok API
  2. Provision certificates
  3. Start polling for bound endpoints

Check the progress: ngrokctl status
`;

async function readKey(io: CtlIo, argument: string | undefined): Promise<string | undefined> {
  if (argument !== undefined && argument !== "-") return argument;
  if (io.isInteractive()) {
    const typed = await io.promptSecret(`${KEY_PAGE}\nAPI key: `);
    if (typed === undefined) throw new Interrupted();
    return typed;
  }
  return argument === "-" ? await io.readStdin(MAX_KEY_BYTES) : undefined;
}
