import { HintedError, type HintOptions } from "../model/errors.ts";

/** The command line is wrong. */
export class UsageError extends HintedError {
  override readonly name = "UsageError";
  /** Text after the message. */
  readonly usage?: string;
  /** True if the message is printed without `Error: ` before it. */
  readonly bare: boolean;
  constructor(message: string, options: UsageOptions = {}) {
    super(message, options);
    this.bare = options.bare ?? false;
    if (options.usage !== undefined) this.usage = options.usage;
  }
}

/** Options of {@linkcode UsageError}. */
export interface UsageOptions extends HintOptions {
  readonly usage?: string | undefined;
  readonly bare?: boolean;
}

/** The user pressed Ctrl-C at a prompt. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
}
