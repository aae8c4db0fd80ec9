import { escapeControls } from "../../lib/printable.ts";
import { parseSentence } from "../parse_responses.ts";
import type { Session } from "../session.ts";

/** The daemon renews the certificate before it answers. */
const RENEW_TIMEOUT_MS = 75_000;

/** Runs `ngrokctl refresh-cert [--force]`. */
export async function refreshCert(session: Session, force: boolean): Promise<void> {
  const args = force ? ["--force"] : [];
  const message = parseSentence(await session.call("refresh-cert", { args, timeoutMs: RENEW_TIMEOUT_MS }));
  session.print({ schema: 1, message }, () => `✓ ${escapeControls(message)}\n`);
}
