import { z } from "zod";
import type { WithHint } from "../model/errors.ts";

/** A request ends with its object; one that is larger than this is refused. */
export const MAX_REQUEST_BYTES = 64 * 1024;
/** How long a request may take to arrive: a client that is silent is closed within 5 s (RELIABILITY.md F73). */
export const REQUEST_TIMEOUT_MS = 4_500;
/** How many connections are served at once; further ones are closed. */
export const MAX_CONNECTIONS = 64;
/** How long the work behind one command may take. */
export const COMMAND_TIMEOUT_MS = 60_000;
/** How long a client may take to read its answer. */
export const ANSWER_TIMEOUT_MS = 5_000;

/** What a client asks (COMPAT.md 4.3). */
export interface ControlRequest {
  readonly command: string;
  readonly args: readonly string[];
}

/** What a client gets (COMPAT.md 4.3); `hint` is the next step after an error. */
export interface ControlResponse {
  readonly success: boolean;
  readonly data?: unknown;
  readonly error?: string;
  readonly hint?: string;
}

/** Why a command is refused, in words that its sender can read; the handler of a command throws it. */
export class RequestError extends Error implements WithHint {
  override readonly name = "RequestError";
  readonly hint?: string;
  constructor(message: string, options: ErrorOptions & { hint?: string | undefined } = {}) {
    super(message, options);
    if (options.hint !== undefined) this.hint = options.hint;
  }
}

/** The refusal of a command that nobody knows. */
export function unknownCommand(command: string): RequestError {
  // deno-lint-ignore ngrokd/error-message -- scripts know this text (COMPAT.md 4.3)
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
 * Reads a request; fields that it does not know are ignored.
 *
 * @throws {RequestError} If it is not one.
 */
export function parseRequest(bytes: Uint8Array): ControlRequest {
  try {
    return REQUEST.parse(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)));
  } catch (error) {
    throw undecodable(reasonOf(error), { cause: error });
  }
}

/** The refusal of bytes that are no request. */
export function undecodable(reason: string, options: ErrorOptions = {}): RequestError {
  // deno-lint-ignore ngrokd/error-message -- scripts know this text (COMPAT.md 4.3)
  return new RequestError(`failed to decode command: ${reason}`, {
    ...options,
    hint: `Send one JSON object: {"command": "status"}`,
  });
}

/**
 * Reads a response; fields that it does not know are ignored.
 *
 * @throws {SyntaxError} If it is not one.
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
  // The parser's own words quote the text, and a request can hold a key.
  return error instanceof TypeError ? "it is not UTF-8" : "it is not JSON";
}
