/** The result of an attempt to change how names resolve on this machine. */
export interface ChangeOutcome {
  /** True if anything was changed. */
  readonly changed: boolean;
  /** The reason of a failure, after which the earlier state remains; undefined after a success. */
  readonly problem?: string | undefined;
  /** A remedy for the problem. */
  readonly hint?: string | undefined;
}
