/** The place where a user gets an API key. */
export const KEY_PAGE = "Create a key on the page of API keys of https://dashboard.ngrok.com";

/** The next step of a user without an API key. */
export const GET_KEY = `${KEY_PAGE}, then run: ngrokctl set-api-key`;
