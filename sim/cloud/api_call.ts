import type { Json } from "./api_views.ts";
import type { Account } from "./state/accounts.ts";

/** A call that has passed all checks except those of its resource. */
export interface ApiCall {
  account: Account;
  /** The absolute URL that the client used. */
  url: URL;
  /** The id in the path, or an empty string. */
  id: string;
  /** The JSON body, empty for calls without one. */
  body: Json;
}

/** The answer to a call. */
export interface ApiAnswer {
  status: number;
  /** Null if there is no body. */
  body: Json | null;
}
