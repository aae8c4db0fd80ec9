import type { Account } from "../account/account.ts";
import type { IngressChoice } from "../account/ingress_choice.ts";
import type { Renewals } from "../account/renewals.ts";
import type { ApiClient } from "../cloud/client.ts";
import type { LiveConfig } from "../config/live_config.ts";
import type { DnsController } from "../dns/controller.ts";
import type { Forwarder } from "../forward/forwarder.ts";
import type { ListenerProbe } from "../forward/listener_probe.ts";
import type { Attempts } from "../lib/attempts.ts";
import type { PublishedNames } from "../names/hosts/published_names.ts";
import type { Addresses } from "../network/addresses.ts";
import type { Redirects } from "../network/redirects.ts";
import type { SubnetWatch } from "../network/subnet_watch.ts";
import type { SyncLoop } from "../sync/loop.ts";
import type { System } from "../system/system.ts";
import type { IngressDialer } from "../trust/ingress_dialer.ts";
import type { TrustSet } from "../trust/trust_set.ts";
import type { Health } from "../web/health_listener.ts";
import type { Shutdown } from "./shutdown.ts";

/** The parts of a running daemon. */
export interface Daemon {
  readonly live: LiveConfig;
  /** A client of the same API with another key. */
  readonly clientWith: (key: () => string) => ApiClient;
  /** The running requests to the API. */
  readonly requests: Attempts;
  readonly account: Account;
  readonly renewals: Renewals;
  readonly forwarder: Forwarder;
  readonly listenerProbe: ListenerProbe;
  readonly loop: SyncLoop;
  readonly names: PublishedNames;
  readonly addresses: Addresses;
  readonly subnetWatch: SubnetWatch;
  readonly dns: DnsController;
  readonly redirects: Pick<Redirects, "observe">;
  readonly trust: TrustSet;
  readonly dialer: IngressDialer;
  readonly health: Health;
  /** The ingress for new connections. */
  readonly ingress: () => { hostname: string; port: number };
  /** The choice of that ingress. */
  readonly ingressChoice: IngressChoice;
  /** The problems of the state directories at the start. */
  readonly stateProblems: readonly string[];
  /** Damage to the state files that the start has repaired. */
  readonly stateNotes: readonly string[];
  /** The damage of the account's small files, and what became of them. */
  readonly memoryProblems: () => readonly string[];
  /** True while the daemon shuts down. */
  readonly stopping: () => boolean;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  /** The same by the monotonic clock (`performance.now()`). */
  readonly startedMonotonicMs: number;
}

/** The configuration, the system and the end that all parts are built for. */
export interface Surroundings {
  readonly live: LiveConfig;
  readonly system: System;
  readonly shutdown: Shutdown;
}
