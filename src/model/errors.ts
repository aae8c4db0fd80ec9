/** What every error of this project can carry: the next step for the user, apart from the message. */
export interface WithHint {
  readonly hint?: string;
}

interface HintOptions extends ErrorOptions {
  readonly hint?: string | undefined;
}

class HintedError extends Error implements WithHint {
  readonly hint?: string;
  constructor(message: string, options: HintOptions = {}) {
    const { hint, ...rest } = options;
    super(message, rest);
    if (hint !== undefined) this.hint = hint;
  }
}

/**
 * Why a call of the ngrok API failed. `status` is the HTTP status, 0 if there was no answer; `code` is `ERR_NGROK_<n>` or the API's
 * own word (PROTOCOL.md 1.3), or `unreachable`, `timeout`, `too_large`, `malformed`, `redirect`, `foreign_page`, `page_loop`, `proxy`.
 */
export class ApiError extends HintedError {
  override readonly name = "ApiError";
  readonly status: number;
  readonly code: string;
  /** From the Retry-After header, if there was a sane one. */
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
 * A certificate that was issued cannot be used: it cannot be read, is the old one, is for another key, names no issuer, ends before it
 * begins, or is over.
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
 * Why the ingress could not be reached: `refused`, `timeout`, `untrusted`, `name` (DNS failed), `identity` (our certificate), `reset`,
 * `handshake` (what it answered is no TLS that we can speak), `proxy` (it did not get there), `other` (on this machine, or on the way).
 */
export type DialFailure =
  | "refused"
  | "timeout"
  | "untrusted"
  | "name"
  | "identity"
  | "reset"
  | "handshake"
  | "proxy"
  | "other";

/** The TCP or TLS connection to the ingress failed. */
export class DialError extends HintedError {
  override readonly name = "DialError";
  readonly code: DialFailure;
  constructor(message: string, options: HintOptions & { code: DialFailure }) {
    super(message, options);
    this.code = options.code;
  }
}

/**
 * The ingress did not upgrade the connection. `code` is the cloud's `ERR_NGROK_<n>` (or `""` if it sent a message only), or `timeout`,
 * `closed` (end of stream before the answer: with TLS 1.3 also a refused client certificate), `malformed`, `too_large`.
 */
export class UpgradeError extends HintedError {
  override readonly name = "UpgradeError";
  readonly code: string;
  constructor(message: string, options: HintOptions & { code: string }) {
    super(message, options);
    this.code = options.code;
  }
}

/** A program failed; message, argv, exit code and output belong together. */
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

/** One thing that is wrong in the configuration: the key's path (`net.start_port`), what is wrong, what to do. */
export interface ConfigProblem {
  readonly path: string;
  readonly message: string;
  readonly suggestion?: string;
}

/** The configuration cannot be used; all its problems at once. */
export class ConfigError extends HintedError {
  override readonly name = "ConfigError";
  readonly problems: readonly ConfigProblem[];
  constructor(message: string, options: HintOptions & { problems: readonly ConfigProblem[] }) {
    super(message, options);
    this.problems = options.problems;
  }
}

/** Why an address and port could not be bound. */
export type BindFailure = "in_use" | "not_available" | "denied" | "exhausted" | "other";

/** A listener could not be opened. `address` is `a.b.c.d:port` or a path. */
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

/** Why a file could not be read or written. */
export type FileFailure =
  | "missing"
  | "denied"
  | "not_regular"
  | "full"
  | "read_only"
  | "not_capable"
  | "other";

/** A file could not be read or written. `not_capable`: the shipped permission set does not hold the path. */
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

/** The text of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The next step that an error carries; undefined if it carries none. */
export function hintOf(error: unknown): string | undefined {
  return error instanceof HintedError ? error.hint : undefined;
}
