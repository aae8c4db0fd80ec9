/** What a publication did. A name that is in neither map stands as asked, if there is no `problem`. */
export interface PublishOutcome {
  /** Whether anything was written. */
  readonly changed: boolean;
  /** Why the names do not stand as asked; undefined if they do. Whatever stood before stands still. */
  readonly problem?: string | undefined;
  /** What the user can do about the problem. */
  readonly hint?: string | undefined;
  /** Name → why this one is not published. */
  readonly refused: ReadonlyMap<string, string>;
  /** Name → what is unusual about it, though it is published. */
  readonly notes: ReadonlyMap<string, string>;
  /** Each is worth one line of the log; the same thing is not said twice. */
  readonly warnings: readonly string[];
}

/** How the names of endpoints come to resolve on this machine. No verb rejects for a reason that lies outside this program. */
export interface NamePublisher {
  /** What it is, for `status`. */
  readonly kind: string;
  /** Where the names are put, for people; empty if nowhere. */
  readonly target: string;
  /** Why no name is published at all; undefined if names are. */
  readonly off: string | undefined;
  /** The names that stand as ours now, each with its address; undefined if that cannot be known. */
  observe(): Promise<ReadonlyMap<string, string> | undefined>;
  /** Makes exactly these names (normalised) stand, each with its IPv4 address. Writes nothing if they do already. */
  publish(names: ReadonlyMap<string, string>): Promise<PublishOutcome>;
  /** Takes away all that is ours. */
  withdraw(): Promise<PublishOutcome>;
}
