import { escapeControls } from "../../lib/printable.ts";
import { ApiError } from "../../model/errors.ts";
import { parseSentence, parseTrust } from "../parse_responses.ts";
import { renderTrust } from "../render_trust.ts";
import type { Session } from "../session.ts";
import { UsageError } from "../usage_error.ts";

/** The CA of ngrok's ingress in the public repository of ngrok's operator. */
const CA_URL = "https://raw.githubusercontent.com/ngrok/ngrok-operator/main/certs/ngrok-ca.crt";
const MAX_CA_BYTES = 32 * 1024;
const FETCH_TIMEOUT_MS = 15_000;
const OFFLINE_HINT = "Download it on another machine, then: ngrokctl trust fetch --file - < ngrok-ca.crt";

/** Runs `ngrokctl trust show`. */
export async function trustShow(session: Session): Promise<void> {
  const report = parseTrust(await session.call("trust", { args: ["show"] }));
  session.print(report, () => renderTrust(report));
}

/** Runs `ngrokctl trust fetch [--file -]`: the daemon checks the fingerprint of the file. */
export async function trustFetch(session: Session, file: string | undefined): Promise<void> {
  if (file !== undefined && file !== "-") {
    throw new UsageError(`Cannot read ${file}: ngrokctl runs without the permission to open files`, {
      hint: `Let the shell open the file: ngrokctl trust fetch --file - < ${shellWord(file)}`,
    });
  }
  const pem = file === undefined ? await download(session) : await session.io.readStdin(MAX_CA_BYTES);
  const message = parseSentence(await session.call("trust", { args: ["save", pem] }));
  session.print({ schema: 1, message }, () => `✓ ${escapeControls(message)}\n`);
}

/** Runs `ngrokctl trust forget`. */
export async function trustForget(session: Session): Promise<void> {
  const message = parseSentence(await session.call("trust", { args: ["forget"] }));
  session.print({ schema: 1, message }, () => `✓ ${escapeControls(message)}\n`);
}

/** Returns the text as one word of a POSIX shell. */
function shellWord(text: string): string {
  return /^[\w./:@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

async function download(session: Session): Promise<string> {
  const { status, body } = await session.io.sendHttp({
    method: "GET",
    url: CA_URL,
    headers: {},
    timeoutMs: FETCH_TIMEOUT_MS,
    maxBodyBytes: MAX_CA_BYTES,
  }).catch((error: unknown) => {
    throw error instanceof ApiError ? withOfflineHint(error) : error;
  });
  if (status === 200) return body;
  throw withOfflineHint(
    new ApiError(`Cannot fetch ${CA_URL}: HTTP status ${status}`, { status, code: "malformed" }),
  );
}

/** Returns the same error with the hint to use another machine. */
function withOfflineHint(error: ApiError): ApiError {
  const { message, status, code } = error;
  return new ApiError(message, { status, code, cause: error, hint: OFFLINE_HINT });
}
