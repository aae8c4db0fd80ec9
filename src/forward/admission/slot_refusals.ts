import { DialError } from "../../model/errors.ts";

/** The next step while all slots are in use. */
export const FULL_HINT =
  "Close some connections, or give ngrokd more memory: the number follows from its limit";

/** Makes the errors of connections that get no slot, and remembers the last one. */
export class SlotRefusals {
  #last: Refusal | undefined;

  /** The last connection that got no slot. */
  get last(): Refusal | undefined {
    return this.#last;
  }

  /** Returns the error while all of these slots are in use. */
  full(max: number): DialError {
    return this.#refuse({
      error: `Cannot connect to the ingress: all ${max} connections are in use`,
      hint: FULL_HINT,
    });
  }

  /** Returns the error for an endpoint whose uploads are stuck. */
  stuck(endpoint: string): DialError {
    return this.#refuse({
      error: `Cannot connect to ${endpoint}: it does not take what its clients send`,
      hint: "Wait until its uploads move again; those of closed clients count for 10 minutes more",
    });
  }

  #refuse(text: Pick<Refusal, "error" | "hint">): DialError {
    this.#last = { ...text, at: performance.now() };
    return new DialError(text.error, { code: "full", isLocal: true, hint: text.hint });
  }
}

/** A connection that got no slot. */
export interface Refusal {
  /** The reason. */
  readonly error: string;
  /** The next step. */
  readonly hint: string;
  /** The time by `performance.now()`. */
  readonly at: number;
}
