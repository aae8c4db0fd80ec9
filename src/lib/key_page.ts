/** The next step of a user without an API key. */
export const GET_KEY =
  "Create a key on the page of API keys of https://dashboard.ngrok.com, then run: ngrokctl set-api-key";
