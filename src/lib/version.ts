/** The version of both programs; a test holds it against deno.json. */
export const VERSION = "0.4.0";
