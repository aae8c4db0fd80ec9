/** The one value of `mode` that means an address per endpoint. */
export const VIRTUAL = "virtual";
