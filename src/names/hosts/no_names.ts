import { NO_RECORD, type OwnLines } from "./own_lines.ts";
import type { NamePublisher, PublishOutcome } from "./publisher.ts";

/** A publisher that publishes nothing and gives the reason. */
export class NoNames implements NamePublisher {
  readonly kind = "none";
  readonly file = "";
  readonly own: OwnLines;
  readonly disabledReason: string;

  /** `reason` is a sentence for `status`. The lines of an earlier run may be in the file. */
  constructor(reason: string, own: OwnLines = NO_RECORD) {
    this.disabledReason = reason;
    this.own = own;
  }

  publish(): Promise<PublishOutcome> {
    return Promise.resolve({ changed: false, refused: new Map(), notes: new Map() });
  }

  withdraw(): Promise<PublishOutcome> {
    return this.publish();
  }
}
