import type { NamePublisher, PublishOutcome } from "./publisher.ts";

/** Publishes nothing, and says why. */
export class NoNames implements NamePublisher {
  readonly kind = "none";
  readonly target = "";
  readonly off: string;

  /** `reason` is a sentence for `status`. */
  constructor(reason: string) {
    this.off = reason;
  }

  observe(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  publish(): Promise<PublishOutcome> {
    return Promise.resolve({ changed: false, refused: new Map(), notes: new Map(), warnings: [] });
  }

  withdraw(): Promise<PublishOutcome> {
    return this.publish();
  }
}
