import { type DialError, UpgradeError } from "../model/errors.ts";

/** How the ingress answered last. */
export interface IngressState {
  readonly state: "unknown" | "ok" | "failing";
  readonly error: string | null;
  readonly hint: string | null;
}

/** Codes of {@linkcode UpgradeError} that are ours, not the cloud's: there was no answer that could be read. */
const NO_ANSWER: ReadonlySet<string> = new Set(["timeout", "closed", "malformed", "too_large"]);

/** Whether the cloud itself answered that this endpoint cannot be reached. */
export function isRefusal(error: DialError | UpgradeError): boolean {
  return error instanceof UpgradeError && !NO_ANSWER.has(error.code);
}

/** The last failure of a connection to the ingress that no later connection has disproved. */
export class IngressHealth {
  #state: IngressState = { state: "unknown", error: null, hint: null };

  /** The ingress answered, be it that it refused one endpoint. */
  answered(): void {
    if (this.#state.state !== "ok") this.#state = { state: "ok", error: null, hint: null };
  }

  /** A connection failed. */
  failed(error: DialError | UpgradeError): void {
    if (isRefusal(error)) this.answered();
    else this.#state = { state: "failing", error: error.message, hint: error.hint ?? null };
  }

  report(): IngressState {
    return this.#state;
  }
}
