import { BindError, type BindFailure, FileError, type FileFailure, messageOf } from "../model/errors.ts";

/** What a failed file operation means to a user. The one place that knows Deno's classes for files. */
export function toFileError(error: unknown, what: { action: string; path: string }): FileError {
  const { action, path } = what;
  const [reason, state] = fileFailure(error);
  const hint = reason === "not_capable"
    ? `It takes ${missingPermission(error)}: see docs/permissions.md`
    : reason === "full"
    ? "Make room on the disk"
    : undefined;
  return new FileError(`Cannot ${action} ${path}: ${state}`, { path, reason, cause: error, hint });
}

/** What a failed bind means to a user. `address` is `a.b.c.d:port` or a socket's path. */
export function toBindError(error: unknown, address: string): BindError {
  const [reason, state] = bindFailure(error, address);
  const hint = reason === "in_use" && !address.startsWith("/")
    ? "See what listens there: sudo ss -ltnp"
    : undefined;
  return new BindError(`Cannot bind ${address}: ${state}`, { address, reason, cause: error, hint });
}

/** Whether an accept or connect failed because the process, or the system, is out of descriptors. */
export function isOutOfDescriptors(error: unknown): boolean {
  return codeOf(error) === "EMFILE" || codeOf(error) === "ENFILE" ||
    /os error (23|24)\b/.test(messageOf(error));
}

/** Whether a stream ended in a way that is an ordinary end: reset, broken pipe, closed under a pending read. */
export function isConnectionGone(error: unknown): boolean {
  return error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe ||
    error instanceof Deno.errors.ConnectionAborted || error instanceof Deno.errors.NotConnected ||
    error instanceof Deno.errors.Interrupted || error instanceof Deno.errors.BadResource ||
    error instanceof Deno.errors.UnexpectedEof;
}

/** Whether an operation failed because the permission set that this process was started with does not hold it. */
export function isNotCapable(error: unknown): boolean {
  return error instanceof Deno.errors.NotCapable;
}

function fileFailure(error: unknown): [FileFailure, string] {
  if (error instanceof Deno.errors.NotCapable) return ["not_capable", "the permission set does not allow it"];
  if (error instanceof Deno.errors.NotFound) return ["missing", "it does not exist"];
  if (error instanceof Deno.errors.PermissionDenied) return ["denied", "permission denied"];
  if (error instanceof Deno.errors.IsADirectory) return ["not_regular", "it is a directory"];
  const code = codeOf(error);
  if (code === "ENOSPC" || code === "EDQUOT" || /os error (28|122)\b/.test(messageOf(error))) {
    return ["full", "the disk is full"];
  }
  if (code === "EROFS" || /os error 30\b/.test(messageOf(error))) {
    return ["read_only", "the file system is read-only"];
  }
  return ["other", messageOf(error)];
}

function bindFailure(error: unknown, address: string): [BindFailure, string] {
  if (error instanceof Deno.errors.AddrInUse) return ["in_use", "address is in use"];
  if (error instanceof Deno.errors.AddrNotAvailable) {
    return ["not_available", "this machine does not have the address"];
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

function missingPermission(error: unknown): string {
  return /--allow-[a-z]+/.exec(messageOf(error))?.[0] ?? "a wider permission set";
}

/** The system's name of an error (`ENOSPC`), if it has one. */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}
