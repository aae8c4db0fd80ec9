import { BindError, type BindFailure, FileError, type FileFailure, messageOf } from "../model/errors.ts";
import { portHolderCommand } from "../model/port_holder.ts";

/** Translates Deno's error of a file operation. Only this module knows Deno's classes for files. */
export function toFileError(error: unknown, operation: { action: string; path: string }): FileError {
  const { action, path } = operation;
  const [reason, state] = fileFailure(error);
  const hint = reason === "not_capable"
    ? `Add ${missingPermission(error)}: see docs/permissions.md`
    : reason === "full"
    ? "Make room on the disk"
    : undefined;
  return new FileError(`Cannot ${action} ${path}: ${state}`, { path, reason, cause: error, hint });
}

/** Translates Deno's error of a bind. `address` is `a.b.c.d:port` or the path of a socket. */
export function toBindError(error: unknown, address: string): BindError {
  const [reason, state] = bindFailure(error, address);
  const hint = reason === "in_use" && !address.startsWith("/")
    ? `See what listens there: ${
      portHolderCommand(Number(address.slice(address.lastIndexOf(":") + 1)), Deno.build.os)
    }`
    : undefined;
  return new BindError(`Cannot bind ${address}: ${state}`, { address, reason, cause: error, hint });
}

/** Returns true if the process or the system ran out of file descriptors. */
export function isOutOfDescriptors(error: unknown): boolean {
  return codeOf(error) === "EMFILE" || codeOf(error) === "ENFILE" ||
    /os error (23|24)\b/.test(messageOf(error));
}

/** Returns true if the process or the system lacks descriptors or memory, maybe for a while. */
export function isOutOfResources(error: unknown): boolean {
  return isOutOfDescriptors(error) || codeOf(error) === "ENOBUFS" || codeOf(error) === "ENOMEM";
}

/** Errors that accept(2) reports for one connection, while the listener itself works. */
const CONNECTION_ERRORS: ReadonlySet<string | undefined> = new Set([
  "ECONNABORTED",
  "ECONNRESET",
  "EHOSTDOWN",
  "EHOSTUNREACH",
  "ENETDOWN",
  "ENETUNREACH",
  "ENONET",
  "ENOPROTOOPT",
  // The runtime asks for the address of a peer that is already gone.
  "ENOTCONN",
  "EOPNOTSUPP",
  "EPERM",
  "EPROTO",
  "ETIMEDOUT",
]);

/**
 * Returns true if an accept failed only for one connection, so that the next can follow at once.
 */
export function isOfOneConnection(error: unknown): boolean {
  return CONNECTION_ERRORS.has(codeOf(error));
}

/** Returns true for an ordinary end of a stream: reset, broken pipe, closed during a read. */
export function isConnectionGone(error: unknown): boolean {
  return error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe ||
    error instanceof Deno.errors.ConnectionAborted || error instanceof Deno.errors.NotConnected ||
    error instanceof Deno.errors.Interrupted || error instanceof Deno.errors.BadResource ||
    error instanceof Deno.errors.UnexpectedEof;
}

/** Returns true if the permission set of this process does not allow the operation. */
export function isNotCapable(error: unknown): boolean {
  return error instanceof Deno.errors.NotCapable;
}

function fileFailure(error: unknown): [FileFailure, string] {
  if (error instanceof Deno.errors.NotCapable) return ["not_capable", "the permission set does not allow it"];
  const code = codeOf(error);
  if (error instanceof Deno.errors.NotFound || code === "ENOENT") return ["missing", "it does not exist"];
  if (error instanceof Deno.errors.PermissionDenied || code === "EACCES" || code === "EPERM") {
    return ["denied", "permission denied"];
  }
  if (error instanceof Deno.errors.IsADirectory || code === "EISDIR") {
    return ["not_regular", "it is a directory"];
  }
  if (code === "ENOSPC" || code === "EDQUOT" || /os error (28|122)\b/.test(messageOf(error))) {
    return ["full", "the disk is full"];
  }
  if (isReadOnly(error)) return ["read_only", "the file system is read-only"];
  return ["other", messageOf(error)];
}

function bindFailure(error: unknown, address: string): [BindFailure, string] {
  if (error instanceof Deno.errors.AddrInUse) return ["in_use", "address is in use"];
  if (error instanceof Deno.errors.AddrNotAvailable) {
    return ["not_available", "this machine does not have the address"];
  }
  if (address.startsWith("/") && (error instanceof Deno.errors.NotFound || isReadOnly(error))) {
    return ["not_available", messageOf(error)];
  }
  if (error instanceof Deno.errors.NotCapable) return ["denied", "the permission set does not allow it"];
  if (error instanceof Deno.errors.PermissionDenied) {
    return [
      "denied",
      address.startsWith("/") ? "permission denied" : "permission denied (ports below 1024 need root)",
    ];
  }
  if (isOutOfDescriptors(error)) return ["exhausted", "no file descriptor is left"];
  return ["other", messageOf(error)];
}

function isReadOnly(error: unknown): boolean {
  return codeOf(error) === "EROFS" || /os error 30\b/.test(messageOf(error));
}

function missingPermission(error: unknown): string {
  return /--allow-[a-z]+/.exec(messageOf(error))?.[0] ?? "a wider permission set";
}

/** Returns the system's name of an error (`ENOSPC`), if there is one. */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}
