import { parseJson } from "../lib/parse_json.ts";
import { escapeControls } from "../lib/printable.ts";
import { ApiError } from "../model/errors.ts";
import type { HttpResponse } from "../system/http.ts";
import { failure, hintFor } from "./failure.ts";
import { parseRetryAfter } from "./retry_after.ts";
import { ERROR_BODY, OWN_ERROR_BODY } from "./schemas.ts";

const CODE_FORM = /^[A-Za-z0-9_]{1,64}$/;
const MIN_SECRET_LENGTH = 8;
const MAX_QUOTE_LENGTH = 300;
/** An error of the API is some hundred characters long. */
const MAX_ERROR_LENGTH = 64 * 1024;
/** Statuses after which something is given up; they are trusted from the API itself only. */
const DECISIVE: ReadonlySet<number> = new Set([401, 403, 404]);

/** Reads the content of a response; undefined for a 204 and for every DELETE. @throws {ApiError} */
export async function readResponse(response: HttpResponse, exchange: ApiExchange): Promise<unknown> {
  const { action, method, origin, key, parse } = exchange;
  const { status, body, headers } = response;
  if (status >= 300 && status < 400) {
    const location = quote(headers.get("Location") ?? "", key);
    const state = `${origin} redirects to "${location}", which is not followed`;
    throw failure(action, state, { code: "redirect", status });
  }
  if (status < 200 || status >= 300) throw toApiError(response, exchange);
  if (status === 204 || method === "DELETE") return undefined;
  const content = await parse(body);
  if (content === undefined) {
    throw failure(action, `the response of ${origin} is not JSON`, { code: "malformed", status });
  }
  return content;
}

/** The request that a response belongs to. */
export interface ApiExchange {
  readonly action: string;
  readonly method: string;
  readonly origin: string;
  readonly key: string;
  readonly parse: (text: string) => Promise<unknown>;
}

function toApiError(response: HttpResponse, exchange: ApiExchange): ApiError {
  const { action, origin, key } = exchange;
  const { status } = response;
  const json = response.body.length > MAX_ERROR_LENGTH ? undefined : parseJson(response.body);
  const parsed = ERROR_BODY.safeParse(json);
  const { error_code, msg } = parsed.success ? parsed.data : { error_code: "", msg: "" };
  const named = CODE_FORM.test(error_code) && redact(error_code, key) === error_code ? error_code : "";
  // A gateway's 404 must not read as an operator that is gone, nor its 403 as a refused key.
  const code = DECISIVE.has(status) && !OWN_ERROR_BODY.safeParse(json).success ? "malformed" : named;
  const message = msg === "" ? "" : `: "${quote(msg, key)}"`;
  return new ApiError(
    `Cannot ${action}: ${origin} answered ${status}${code === "" ? "" : ` (${code})`}${message}`,
    {
      status,
      code,
      retryAfterMs: parseRetryAfter(response.headers.get("Retry-After"), Date.now()),
      hint: hintFor({ status, code }),
    },
  );
}

/**
 * Makes a foreign text safe for a message. Some errors of the API quote the key (docs/protocol.md
 * 1.3).
 */
function quote(text: string, key: string): string {
  const safe = escapeControls(redact(text, key));
  return safe.length > MAX_QUOTE_LENGTH ? `${safe.slice(0, MAX_QUOTE_LENGTH - 1)}…` : safe;
}

function redact(text: string, key: string): string {
  // A key is <id>_<secret>: a response may quote the secret alone.
  const secret = key.slice(key.indexOf("_") + 1);
  const whole = text.replaceAll(key, "[key]");
  return secret.length < MIN_SECRET_LENGTH ? whole : whole.replaceAll(secret, "[key]");
}
