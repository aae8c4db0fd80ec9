import { z } from "zod";
import { HintedError } from "../model/errors.ts";

/** The largest request; a request ends with its JSON object. */
export const MAX_REQUEST_BYTES = 64 * 1024;
/** The time for a request to arrive; a silent client is closed within 5 s (F73). */
export const REQUEST_TIMEOUT_MS = 4_500;
/** The connections that are served at once; further ones are closed. */
export const MAX_CONNECTIONS = 64;
/** The time for the work of one command. */
export const COMMAND_TIMEOUT_MS = 60_000;
/** The time for a client to read its response. */
export const ANSWER_TIMEOUT_MS = 5_000;

/** A command of a client (docs/compatibility.md 4.3). */
export interface ControlRequest {
  readonly command: string;
  readonly args: readonly string[];
}

/** The response (docs/compatibility.md 4.3); `hint` is the next step after an error. */
export interface ControlResponse {
  readonly success: boolean;
  readonly data?: unknown;
  readonly error?: string;
  readonly hint?: string;
}

/** A command is refused; the message is for its sender. */
export class RequestError extends HintedError {
  override readonly name = "RequestError";
}

/** Returns the refusal of an unknown command. */
export function unknownCommand(command: string): RequestError {
  // deno-lint-ignore ngrokd/error-message -- scripts know this text (docs/compatibility.md 4.3)
  return new RequestError(`unknown command: ${command}`);
}

const REQUEST = z.object({
  command: z.string().nullish().transform((command) => command ?? ""),
  args: z.array(z.string()).nullish().transform((args) => args ?? []),
});

const RESPONSE = z.object({
  success: z.boolean(),
  data: z.unknown().optional(),
  error: z.string().optional(),
  hint: z.string().optional(),
});

/**
 * Reads a request; unknown fields are ignored.
 *
 * @throws {RequestError} If the bytes are not a request.
 */
export function parseRequest(bytes: Uint8Array): ControlRequest {
  try {
    return REQUEST.parse(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)));
  } catch (error) {
    throw undecodable(reasonOf(error), { cause: error });
  }
}

/** Returns the refusal of bytes that are not a request. */
export function undecodable(reason: string, options: ErrorOptions = {}): RequestError {
  // deno-lint-ignore ngrokd/error-message -- scripts know this text (docs/compatibility.md 4.3)
  return new RequestError(`failed to decode command: ${reason}`, {
    ...options,
    hint: `Send one JSON object: {"command": "status"}`,
  });
}

/**
 * Reads a response; unknown fields are ignored.
 *
 * @throws {SyntaxError} If the text is not a response.
 */
export function parseResponse(text: string): ControlResponse {
  try {
    const { success, data, error, hint } = RESPONSE.parse(JSON.parse(text));
    return { success, data, ...(error !== undefined && { error }), ...(hint !== undefined && { hint }) };
  } catch (error) {
    throw new SyntaxError(`Cannot read a response: ${reasonOf(error)}`, { cause: error });
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof z.ZodError) {
    return error.issues.map((issue) => [...issue.path, issue.message].join(": ")).join("; ");
  }
  // The parser's messages quote the text, and a request can hold an API key.
  return error instanceof TypeError ? "it is not UTF-8" : "it is not JSON";
}
