import { NO_RECORD } from "./own_lines.ts";
import type { NamePublisher, PublishOutcome } from "./publisher.ts";

/** A publisher that publishes nothing and gives the reason. */
export class NoNames implements NamePublisher {
  readonly kind = "none";
  readonly file = "";
  readonly own = NO_RECORD;
  readonly disabledReason: string;

  /** `reason` is a sentence for `status`. */
  constructor(reason: string) {
    this.disabledReason = reason;
  }

  publish(): Promise<PublishOutcome> {
    return Promise.resolve({ changed: false, refused: new Map(), notes: new Map() });
  }

  withdraw(): Promise<PublishOutcome> {
    return this.publish();
  }
}
