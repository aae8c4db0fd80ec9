const SET_KEY = "Set another key: ngrokctl set-api-key -";
const CHECK_URL = "Check that api.url leads to the ngrok API";

const BY_CODE: Readonly<Record<string, string>> = {
  no_key: "Set one: ngrokctl set-api-key -",
  bad_key: SET_KEY,
  insecure: "Give an https URL in api.url",
  redirect: CHECK_URL,
  malformed: CHECK_URL,
  too_large: CHECK_URL,
  foreign_page: CHECK_URL,
  page_loop: CHECK_URL,
  unreachable: "Check this machine's network and api.url; it is tried again by itself",
  timeout: "Check this machine's network and api.url; it is tried again by itself",
  no_certificate: "Ask ngrok whether the account may use Kubernetes operators with bindings",
  ERR_NGROK_19002: "Ask ngrok whether the account may use Kubernetes operators with bindings",
  ERR_NGROK_19003: "Correct bound_endpoints.selectors in the configuration",
};

/** The next step for the user after a failed call; undefined if there is none to give. */
export function hintFor(failure: { readonly status: number; readonly code: string }): string | undefined {
  const { status, code } = failure;
  if (Object.hasOwn(BY_CODE, code)) return BY_CODE[code];
  if (status === 401 || status === 403) return SET_KEY;
  if (status === 404) {
    return "If the operator was deleted in the account, ngrokd registers anew by itself; else check api.url";
  }
  if (status === 429) {
    return "Raise bound_endpoints.poll_interval: all daemons of an account share 120 requests a minute";
  }
  if (status >= 500) return "See https://status.ngrok.com; it is tried again by itself";
  return undefined;
}
