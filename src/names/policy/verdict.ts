/** A decision about a name: it is refused, or unusual, or neither. */
export interface NameVerdict {
  /** The reason why no endpoint may have the name. */
  readonly refused?: string;
  /** An unusual condition of a name that is allowed. */
  readonly note?: string;
}

/** The next step for a name that is refused unless it is allowed. */
export const HOW_TO_ALLOW = "to serve it, add it to net.allow_names";
