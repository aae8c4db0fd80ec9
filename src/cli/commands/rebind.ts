import { escapeControls } from "../../lib/printable.ts";
import { parseSentence } from "../parse_responses.ts";
import type { Session } from "../session.ts";

/** The daemon opens its listeners again before it answers. */
const REBIND_TIMEOUT_MS = 60_000;

/** Runs `ngrokctl rebind`. */
export async function rebind(session: Session): Promise<void> {
  const message = parseSentence(await session.call("rebind", { timeoutMs: REBIND_TIMEOUT_MS }));
  session.print({ schema: 1, message }, () => `✓ ${escapeControls(message)}\n`);
}
