import { KSUID_PATTERN } from "../ksuid.ts";
import { numberedFailure } from "../errors.ts";

/** An account with its keys and rights. */
export interface Account {
  id: string;
  /** The valid keys. */
  apiKeys: Set<string>;
  /** Agent authtokens, which look like keys but are refused. */
  authtokens: Set<string>;
  /** True if operators may enable bindings. */
  bindingsEnabled: boolean;
  poolingAllowed: boolean;
  state: "active" | "not_allowed" | "suspended" | "unpaid";
  /** The times of the requests in the last minute, in milliseconds. */
  requestTimes: number[];
}

const WINDOW_MS = 60_000;

/**
 * Finds the account of an Authorization header: Bearer, or Basic with the key as user or password.
 *
 * @throws {ApiFailure} 200 to 208 (docs/protocol.md 1.3).
 */
export function authorize(header: string | null, accounts: Iterable<Account>): Account {
  if (header === null) throw numberedFailure(200, "Authorization header is missing.");
  const key = credential(header);
  if (key === null) {
    throw numberedFailure(
      201,
      `The authorization header could not be parsed as Basic or Bearer: ${JSON.stringify(header)}. ` +
        "API keys are found on the dashboard: https://dashboard.ngrok.com/api-keys",
    );
  }
  if (/^ak_/.test(key) && KSUID_PATTERN.test(key.slice(3))) {
    throw numberedFailure(208, "This is the id of an API key, not the key.");
  }
  const separator = key.indexOf("_");
  if (!KSUID_PATTERN.test(key.slice(0, separator)) || separator === key.length - 1) {
    throw numberedFailure(202, "This does not look like a credential.");
  }
  for (const account of accounts) {
    if (account.authtokens.has(key)) {
      throw numberedFailure(206, "An agent authtoken is not an API key.");
    }
    if (!account.apiKeys.has(key)) continue;
    if (account.state === "not_allowed") {
      throw numberedFailure(204, "The account may not use the API.");
    }
    if (account.state === "suspended") throw numberedFailure(205, "The account is suspended.");
    if (account.state === "unpaid") {
      throw numberedFailure(247, "The account is suspended for non-payment.");
    }
    return account;
  }
  throw numberedFailure(203, "The API key is not valid.");
}

/**
 * Counts a request.
 *
 * @throws {ApiFailure} 226 after `limit` requests in 60 s (docs/protocol.md 1.4).
 */
export function spendRequest(account: Account, options: { now: number; limit: number }): void {
  const { now, limit } = options;
  account.requestTimes = account.requestTimes.filter((time) => time > now - WINDOW_MS && time <= now);
  if (account.requestTimes.length >= limit) {
    throw numberedFailure(226, `The rate limit of ${limit} requests per 60 seconds is exceeded.`);
  }
  account.requestTimes.push(now);
}

function credential(header: string): string | null {
  const [, scheme = "", value = ""] = /^(\S+)\s+(\S+)\s*$/.exec(header) ?? [];
  if (/^bearer$/i.test(scheme)) return value;
  if (!/^basic$/i.test(scheme)) return null;
  try {
    const [user = "", password = ""] = atob(value).split(":");
    return password || user || null;
  } catch {
    return null;
  }
}
