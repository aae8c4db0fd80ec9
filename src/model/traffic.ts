/** The connections and bytes of one endpoint since the daemon started. */
export interface Traffic {
  readonly open: number;
  readonly total: number;
  /** The bytes from the local client to the cloud. */
  readonly bytesIn: number;
  /** The bytes from the cloud to the local client. */
  readonly bytesOut: number;
  readonly errors: number;
  /** Milliseconds since the epoch; undefined if there was no activity. */
  readonly lastActivity?: number;
  /** The error of the last connection that failed. */
  readonly lastError?: string;
}

/** The result of one connection. */
export type Outcome =
  | "ok"
  | "client_gone"
  | "no_route"
  | "bad_request"
  | "wrong_host"
  | "forbidden"
  | "dial_failed"
  | "upgrade_refused"
  | "upgrade_failed"
  | "aborted"
  | "internal";
