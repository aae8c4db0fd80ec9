import { GET_KEY } from "../lib/key_page.ts";
import { ApiError } from "../model/errors.ts";

const SET_KEY = "Set another key: ngrokctl set-api-key";
const CHECK_URL = "Check that api.url leads to the ngrok API";
const NETWORK = "Check this machine's network and api.url; ngrokd retries automatically";
const ASK_NGROK = "Ask ngrok whether the account may use Kubernetes operators with bindings";

const BY_CODE: Readonly<Record<string, string>> = {
  no_key: GET_KEY,
  bad_key: SET_KEY,
  insecure: "Give an https URL in api.url",
  redirect: CHECK_URL,
  malformed: CHECK_URL,
  too_large: CHECK_URL,
  foreign_page: CHECK_URL,
  page_loop: CHECK_URL,
  too_many_pages: CHECK_URL,
  unreachable: NETWORK,
  timeout: NETWORK,
  no_certificate: ASK_NGROK,
  ERR_NGROK_19002: ASK_NGROK,
  ERR_NGROK_19003: "Correct bound_endpoints.selectors in the configuration",
};

/**
 * Returns the error of a call: `Cannot <action>: <state>`, with a hint. `status` is 0 without an
 * answer.
 */
export function failure(
  action: string,
  state: string,
  options: { readonly code: string; readonly status?: number; readonly cause?: unknown },
): ApiError {
  const { status = 0, code } = options;
  return new ApiError(`Cannot ${action}: ${state}`, { ...options, status, hint: hintFor({ status, code }) });
}

/** Returns the next step for the user after a failed call; undefined if there is none. */
export function hintFor(failure: { readonly status: number; readonly code: string }): string | undefined {
  const { status, code } = failure;
  if (Object.hasOwn(BY_CODE, code)) return BY_CODE[code];
  if (status === 401 || status === 403) return SET_KEY;
  if (status === 404) {
    return "If the operator was deleted in the account, ngrokd registers a new one; otherwise check api.url";
  }
  if (status === 429) {
    return "Raise bound_endpoints.poll_interval: all daemons of an account share 120 requests a minute";
  }
  if (status >= 500) return "See https://status.ngrok.com; ngrokd retries automatically";
  return undefined;
}
