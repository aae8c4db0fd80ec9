import type { ApiClient } from "../cloud/client.ts";
import type { Attempts } from "../lib/attempts.ts";
import type { Forwarder } from "../forward/forwarder.ts";
import type { Account } from "../account/account.ts";
import type { SyncLoop } from "../sync/loop.ts";
import type { Addresses } from "../network/addresses.ts";
import type { DnsController } from "../dns/controller.ts";
import type { Health } from "../web/health_listener.ts";
import type { IngressDialer } from "../trust/ingress_dialer.ts";
import type { Journal } from "../undo/journal.ts";
import type { LiveConfig } from "../config/live_config.ts";
import type { PublishedNames } from "../names/hosts/published_names.ts";
import type { Renewals } from "../account/renewals.ts";
import type { TrustSet } from "../trust/trust_set.ts";

/** All the parts of a running daemon, each with one owner. */
export interface Daemon {
  readonly live: LiveConfig;
  /** A client of the same API with another key. */
  readonly clientWith: (key: () => string) => ApiClient;
  /** All requests to the API that are under way. */
  readonly requests: Attempts;
  readonly account: Account;
  readonly renewals: Renewals;
  readonly forwarder: Forwarder;
  readonly loop: SyncLoop;
  readonly names: PublishedNames;
  readonly addresses: Addresses;
  readonly dns: DnsController;
  readonly trust: TrustSet;
  readonly dialer: IngressDialer;
  /** What was changed on this machine, to be undone. */
  readonly journal: Journal;
  readonly health: Health;
  /** The ingress that new connections go to. */
  readonly ingress: () => { hostname: string; port: number };
  /** What was wrong with the state files at the start. */
  readonly stateProblems: readonly string[];
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  /** The same by the clock that nobody sets. */
  readonly startedSteadyMs: number;
}
