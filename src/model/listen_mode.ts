/** The mode with one address for each host name. Any other mode names an interface or address. */
export const VIRTUAL = "virtual";
