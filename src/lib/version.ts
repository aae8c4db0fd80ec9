/** The version of both programs; a test compares it with deno.json. */
export const VERSION = "0.4.0";
