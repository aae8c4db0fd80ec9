import type { ChangeOutcome } from "../outcome.ts";
import type { OwnLines } from "./own_lines.ts";

/** Makes names resolve by a file. No method rejects for a reason outside this program. */
export interface NamePublisher {
  /** The kind of publisher, for `status`. */
  readonly kind: string;
  /** The file with the names, for people; empty if there is none. */
  readonly file: string;
  /** The reason why no name is published at all; undefined if names are published. */
  readonly disabledReason: string | undefined;
  /** The record of its lines; the same object until it changes. */
  readonly own: OwnLines;
  /**
   * Publishes exactly these normalised names with IPv4 addresses. Writes differences only. Names
   * with the revision of the last call are not checked again.
   */
  publish(names: ReadonlyMap<string, string>, revision?: number): Promise<PublishOutcome>;
  /** Removes everything that ngrokd has published. */
  withdraw(): Promise<PublishOutcome>;
}

/** The result of a publication. Without a problem, each name in neither map is published. */
export interface PublishOutcome extends ChangeOutcome {
  /** Name → the reason why it is not published. */
  readonly refused: ReadonlyMap<string, string>;
  /** Name → an unusual condition, although it is published. */
  readonly notes: ReadonlyMap<string, string>;
}
