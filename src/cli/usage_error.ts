import type { WithHint } from "../model/errors.ts";

/** The command line is wrong. */
export class UsageError extends Error implements WithHint {
  override readonly name = "UsageError";
  readonly hint?: string;
  /** Text after the message. */
  readonly usage?: string;
  /** True if the message is printed without `Error: ` before it. */
  readonly bare: boolean;
  constructor(message: string, options: UsageOptions = {}) {
    super(message);
    this.bare = options.bare ?? false;
    if (options.hint !== undefined) this.hint = options.hint;
    if (options.usage !== undefined) this.usage = options.usage;
  }
}

/** Options of {@linkcode UsageError}. */
export interface UsageOptions {
  readonly hint?: string | undefined;
  readonly usage?: string | undefined;
  readonly bare?: boolean;
}
