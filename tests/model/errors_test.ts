import assert from "node:assert/strict";
import {
  ApiError,
  BindError,
  CommandError,
  ConfigError,
  DialError,
  FileError,
  hintOf,
  messageOf,
  UpgradeError,
} from "../../src/model/errors.ts";

Deno.test("Every error class has its name, its fields, its cause and its hint", () => {
  const cause = new Error("below");
  const rest = { cause, hint: "Do this" };
  const errors = [
    [new ApiError("m", { ...rest, status: 429, code: "ERR_NGROK_226", retryAfterMs: 5 }), "ApiError", {
      status: 429,
      code: "ERR_NGROK_226",
      retryAfterMs: 5,
    }],
    [new DialError("m", { ...rest, code: "refused" }), "DialError", { code: "refused" }],
    [new UpgradeError("m", { ...rest, code: "" }), "UpgradeError", { code: "" }],
    [new CommandError("m", { ...rest, argv: ["x"], exitCode: 2, stderr: "e" }), "CommandError", {
      argv: ["x"],
      exitCode: 2,
      stderr: "e",
    }],
    [new ConfigError("m", { ...rest, problems: [] }), "ConfigError", { problems: [] }],
    [new BindError("m", { ...rest, address: "a:1", reason: "in_use" }), "BindError", {
      address: "a:1",
      reason: "in_use",
    }],
    [new FileError("m", { ...rest, path: "/p", reason: "full" }), "FileError", {
      path: "/p",
      reason: "full",
    }],
  ] as const;
  for (const [error, name, fields] of errors) {
    assert.ok(error instanceof Error);
    assert.equal(error.name, name);
    assert.equal(error.cause, cause);
    assert.equal(hintOf(error), "Do this");
    for (const [key, value] of Object.entries(fields)) {
      assert.deepEqual(error[key as keyof typeof error], value, `${name}.${key}`);
    }
  }
});

Deno.test("An error has no hint or Retry-After by default, and a foreign hint does not count", () => {
  const error = new ApiError("m", { status: 0, code: "timeout", hint: undefined, retryAfterMs: undefined });
  assert.equal(error.retryAfterMs, undefined);
  assert.equal(hintOf(error), undefined);
  assert.equal(hintOf(Object.assign(new Error("foreign"), { hint: "not ours" })), undefined);
});

Deno.test("messageOf() returns a text for anything that was thrown", () => {
  assert.equal(messageOf(new RangeError("out")), "out");
  assert.equal(messageOf("text"), "text");
  assert.equal(messageOf(undefined), "undefined");
});

// On a machine where localhost has two addresses, the reason was empty.
Deno.test("messageOf() gives the first reason of several that have no message of their own", () => {
  const reasons = [new Error("connect ECONNREFUSED ::1:9"), new Error("connect ECONNREFUSED 127.0.0.1:9")];
  assert.equal(messageOf(new AggregateError(reasons)), "connect ECONNREFUSED ::1:9");
  assert.equal(messageOf(new AggregateError(reasons, "both")), "both");
});
