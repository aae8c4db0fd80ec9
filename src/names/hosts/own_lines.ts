/**
 * The record by which ngrokd recognises its lines in a hosts file, whatever other programs have
 * done to them. A line is `address\tname`.
 */
export interface OwnLines {
  /** The lines of the last write; undefined if the record is lost. */
  readonly written: ReadonlySet<string> | undefined;
  /** The lines of the last write that others have outside ngrokd's section, too. */
  readonly shared: ReadonlySet<string>;
  /**
   * True for the record of an earlier run, which may have failed to save it after its last write.
   *
   * @default {false}
   */
  readonly mayBeStale?: boolean;
  /** Returns true for an address to which only ngrokd gives names. */
  readonly isOwn: (address: string) => boolean;
}

/**
 * Without a record, ngrokd's lines are those in its section that have its form and one of its
 * addresses, or a loopback address and a name with a dot.
 */
export const NO_RECORD: OwnLines = { written: undefined, shared: new Set(), isOwn: () => false };

/** Returns the line that gives a normalised name an address. */
export function ownLine(address: string, name: string): string {
  return `${address}\t${name}`;
}
