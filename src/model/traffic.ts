/** What has gone through one endpoint since the daemon started. */
export interface Traffic {
  readonly open: number;
  readonly total: number;
  /** From the local client to the cloud. */
  readonly bytesIn: number;
  /** From the cloud to the local client. */
  readonly bytesOut: number;
  readonly errors: number;
  /** Milliseconds since the epoch; undefined if there was none. */
  readonly lastActivity?: number;
  /** Why the last failed connection failed. */
  readonly lastError?: string;
}

/** How one connection ended. */
export type Outcome =
  | "ok"
  | "client_gone"
  | "no_route"
  | "bad_request"
  | "wrong_host"
  | "dial_failed"
  | "upgrade_refused"
  | "upgrade_failed"
  | "aborted"
  | "internal";
