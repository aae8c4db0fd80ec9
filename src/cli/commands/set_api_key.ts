import { apiKeyProblem } from "../../config/api_key.ts";
import { parseSentence } from "../parse_responses.ts";
import type { CtlIo } from "../io.ts";
import type { Session } from "../session.ts";
import { UsageError } from "../usage_error.ts";

const MAX_KEY_BYTES = 16 * 1024;
/** The daemon registers before it answers. */
const REGISTER_TIMEOUT_MS = 75_000;
const USAGE =
  "Usage: ngrokctl set-api-key <KEY>\n       ngrokctl set-api-key -    (reads the key from standard input)\n";

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
    session.io.writeErr(
      "Hint: other users can see a key on the command line; use: ngrokctl set-api-key -\n",
    );
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
  if (argument === undefined) return io.isInteractive() ? await io.promptSecret("API key: ") : undefined;
  return argument === "-" ? await io.readStdin(MAX_KEY_BYTES) : argument;
}
