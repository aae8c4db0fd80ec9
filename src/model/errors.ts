/** An error with a hint: the next step for the user, apart from the message. */
export class HintedError extends Error {
  readonly hint?: string;
  constructor(message: string, options: HintOptions = {}) {
    const { hint, ...rest } = options;
    super(message, rest);
    if (hint !== undefined) this.hint = hint;
  }
}

/** Options of {@linkcode HintedError}. */
export interface HintOptions extends ErrorOptions {
  readonly hint?: string | undefined;
}

/**
 * A request to the ngrok API failed. `status` is the HTTP status, 0 if there was no response.
 * `code` is `ERR_NGROK_<n>` or the API's own word (docs/protocol.md 1.3). Before a request:
 * `no_key`, `bad_key`, `insecure`, `busy`. Without a response: `unreachable`, `timeout`, `proxy`.
 * For a response: `too_large`, `malformed`, `redirect`, `foreign_page`, `page_loop`,
 * `too_many_pages`, `operator_lost`, `no_certificate`.
 */
export class ApiError extends HintedError {
  override readonly name = "ApiError";
  readonly status: number;
  readonly code: string;
  /** The delay of a valid Retry-After header. */
  readonly retryAfterMs?: number;
  constructor(
    message: string,
    options: HintOptions & { status: number; code: string; retryAfterMs?: number | undefined },
  ) {
    super(message, options);
    this.status = options.status;
    this.code = options.code;
    if (options.retryAfterMs !== undefined) this.retryAfterMs = options.retryAfterMs;
  }
}

/**
 * The cloud issued a certificate that cannot be used. `code`: it cannot be read (`unreadable`), is
 * the old one (`old`), is for another key (`key`), names no issuer (`issuer`), ends before it
 * begins (`dates`), or has expired (`expired`).
 */
export class CertificateError extends HintedError {
  override readonly name = "CertificateError";
  readonly code: "unreadable" | "old" | "key" | "issuer" | "dates" | "expired";
  constructor(message: string, options: HintOptions & { code: CertificateError["code"] }) {
    super(message, options);
    this.code = options.code;
  }
}

/**
 * The reasons why the ingress cannot be reached. `name`: DNS failed. `unreachable`: no route leads
 * to it. `identity`: our certificate was refused. `handshake`: the response is no TLS that we
 * support. `proxy`: the proxy did not connect. `late`: the time limit passed before the dial began.
 * `full`: a limit of ngrokd itself is reached. `other`: an error of this machine or of the network.
 */
export type DialFailure =
  | "refused"
  | "timeout"
  | "untrusted"
  | "name"
  | "unreachable"
  | "identity"
  | "reset"
  | "handshake"
  | "proxy"
  | "late"
  | "full"
  | "other";

/** The TCP or TLS connection to the ingress failed. */
export class DialError extends HintedError {
  override readonly name = "DialError";
  readonly code: DialFailure;
  /** True if ngrokd refused the connection itself, without a dial. */
  readonly isLocal: boolean;
  constructor(message: string, options: HintOptions & { code: DialFailure; isLocal?: boolean }) {
    super(message, options);
    this.code = options.code;
    this.isLocal = options.isLocal ?? false;
  }
}

/**
 * The ingress refused the upgrade. `code` is the cloud's `ERR_NGROK_<n>`, `""` if it sent only a
 * message, or `timeout`, `malformed`, `too_large`, or `closed`: the stream ended before the
 * response, which with TLS 1.3 can also mean a refused client certificate.
 */
export class UpgradeError extends HintedError {
  override readonly name = "UpgradeError";
  readonly code: string;
  constructor(message: string, options: HintOptions & { code: string }) {
    super(message, options);
    this.code = options.code;
  }
}

/** The exit code of a program that could not be started. */
export const CANNOT_START = -1;

/** A program failed. */
export class CommandError extends HintedError {
  override readonly name = "CommandError";
  readonly argv: readonly string[];
  readonly exitCode: number;
  readonly stderr: string;
  constructor(
    message: string,
    options: HintOptions & { argv: readonly string[]; exitCode: number; stderr: string },
  ) {
    super(message, options);
    this.argv = options.argv;
    this.exitCode = options.exitCode;
    this.stderr = options.stderr;
  }
}

/** A problem of the configuration. `path` is that of the key, as `net.start_port`. */
export interface ConfigProblem {
  readonly path: string;
  readonly message: string;
  readonly suggestion?: string;
}

/** The configuration cannot be used. `problems` has all problems. */
export class ConfigError extends HintedError {
  override readonly name = "ConfigError";
  readonly problems: readonly ConfigProblem[];
  constructor(message: string, options: HintOptions & { problems: readonly ConfigProblem[] }) {
    super(message, options);
    this.problems = options.problems;
  }
}

/**
 * The reasons why an address and port, or a path, cannot be bound. `not_available`: this machine
 * has no such address, or cannot have this file. `unsafe`: other users could replace the file.
 */
export type BindFailure = "in_use" | "not_available" | "denied" | "unsafe" | "exhausted" | "other";

/** A listener cannot be opened. `address` is `address:port` or a path. */
export class BindError extends HintedError {
  override readonly name = "BindError";
  readonly address: string;
  readonly reason: BindFailure;
  constructor(message: string, options: HintOptions & { address: string; reason: BindFailure }) {
    super(message, options);
    this.address = options.address;
    this.reason = options.reason;
  }
}

/**
 * The reasons why a file cannot be read or written. `unsafe`: other users could change or replace
 * it, or read its secret. `not_capable`: the permission set does not include the path.
 */
export type FileFailure =
  | "missing"
  | "denied"
  | "not_regular"
  | "unsafe"
  | "too_large"
  | "full"
  | "read_only"
  | "not_capable"
  | "other";

/** A file cannot be read or written. */
export class FileError extends HintedError {
  override readonly name = "FileError";
  readonly path: string;
  readonly reason: FileFailure;
  constructor(message: string, options: HintOptions & { path: string; reason: FileFailure }) {
    super(message, options);
    this.path = options.path;
    this.reason = options.reason;
  }
}

/** Returns the text of anything that was thrown. */
export function messageOf(error: unknown): string {
  // node:net throws one without a message for a name with several addresses, such as localhost.
  if (error instanceof AggregateError && error.message === "") return messageOf(error.errors[0]);
  return error instanceof Error ? error.message : String(error);
}

/** Returns a message, followed by its hint in parentheses. */
export function withHint({ message, hint }: { message: string; hint?: string | undefined }): string {
  return hint === undefined ? message : `${message} (${hint})`;
}

/** Returns the hint of an error; undefined if it has none. */
export function hintOf(error: unknown): string | undefined {
  return error instanceof HintedError ? error.hint : undefined;
}
