import type { Json } from "./api_views.ts";
import type { Account } from "./state/accounts.ts";

/** A call that has passed every check but those of its resource. */
export interface ApiCall {
  account: Account;
  /** As the client addressed it: absolute. */
  url: URL;
  /** The id in the path, or an empty text. */
  id: string;
  /** The JSON body, empty for calls without one. */
  body: Json;
}

/** What a call answers. */
export interface ApiAnswer {
  status: number;
  /** Null for no body. */
  body: Json | null;
}
