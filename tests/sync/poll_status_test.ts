import assert from "node:assert/strict";
import { ApiError } from "../../src/model/errors.ts";
import { apiStateOf } from "../../src/sync/poll_status.ts";

function apiError(status: number, code = ""): ApiError {
  return new ApiError("x", { status, code });
}

Deno.test("apiStateOf() returns the state of the API after any failure", () => {
  const states = [
    [apiError(401), "key_refused"],
    [apiError(403, "ERR_NGROK_202"), "key_refused"],
    [apiError(429), "rate_limited"],
    [apiError(0, "unreachable"), "unreachable"],
    [apiError(0, "timeout"), "unreachable"],
    [apiError(500), "failing"],
    [apiError(404), "failing"],
    [apiError(200, "malformed"), "failing"],
    [new TypeError("x"), "failing"],
    ["text", "failing"],
  ] as const;
  for (const [error, state] of states) assert.equal(apiStateOf(error), state);
});
