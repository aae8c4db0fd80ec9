import { latin1Bytes } from "../lib/latin1.ts";
import { Activity } from "./activity.ts";
import type { Found } from "./find_route.ts";
import { FollowedClient } from "./http/followed_client.ts";
import { OpenExchanges } from "./http/open_exchanges.ts";
import type { ClientStream } from "./pipe.ts";

/**
 * Follows the traffic of a client that has an upstream, so that a stop of the daemon can tell if
 * the connection is at rest.
 */
export function followClient(client: ClientStream, options: FollowOptions): Followed {
  const { found: { method }, follow } = options;
  const exchanges = method === undefined ? undefined : new OpenExchanges();
  exchanges?.request(latin1Bytes(`${method} `));
  const activity = new Activity({ exchanges });
  follow(activity);
  return { client: exchanges === undefined ? client : new FollowedClient(client, exchanges), activity };
}

/** Options of {@linkcode followClient}. */
export interface FollowOptions {
  readonly found: Found;
  /** Called with the activity of the connection. */
  readonly follow: (activity: Activity) => void;
}

/** A client whose traffic is followed. */
export interface Followed {
  readonly client: ClientStream;
  readonly activity: Activity;
}
