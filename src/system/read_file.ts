import type { FileHandle } from "node:fs/promises";
import { FileError } from "../model/errors.ts";
import { toFileError } from "./errors.ts";
import { checkAncestors, checkOwner } from "./guard.ts";
import { openFile } from "./open_file.ts";

const MAX_BYTES = 16 * 1024 * 1024;

/**
 * Reads a text file of at most `maxBytes`, whoever owns it.
 *
 * @throws {FileError} `missing`, `denied`, `not_regular` (a FIFO is not waited on), …
 */
export async function readText(path: string, maxBytes: number = MAX_BYTES): Promise<string> {
  return toText(await readWith(path, { maxBytes, follow: true }));
}

/**
 * Reads a file of at most `maxBytes`. Returns undefined if it does not exist.
 *
 * @throws {FileError} `denied`, `not_regular` (a FIFO is not waited on), …
 */
export function readBytesIfAny(path: string, maxBytes: number): Promise<Uint8Array | undefined> {
  return ifAny(readWith(path, { maxBytes, follow: true }));
}

/**
 * Reads a text file that only ngrokd writes: no symlink, owned by root or the user of ngrokd, and
 * not writable by others.
 *
 * @throws {FileError} `unsafe`, `not_regular`, `missing`, …
 */
export async function readOwn(path: string, options: GuardedOptions = {}): Promise<string> {
  const { maxBytes = MAX_BYTES, isSecret = false } = options;
  const check = (handle: FileHandle) => checkOwner(path, { handle, isSecret });
  return toText(await readWith(path, { maxBytes, follow: false, check }));
}

/** {@linkcode readText} for a file that may be missing: undefined then. @throws {FileError} */
export function readTextIfAny(path: string): Promise<string | undefined> {
  return ifAny(readText(path));
}

/** {@linkcode readOwn} for a file that may be missing: undefined then. @throws {FileError} */
export function readOwnIfAny(path: string, options: GuardedOptions = {}): Promise<string | undefined> {
  return ifAny(readOwn(path, options));
}

/**
 * Reads a text file that the administrator writes for ngrokd. It may be a symlink. It must belong
 * to root or the user of ngrokd, and nobody else may be able to change or replace it.
 *
 * @throws {FileError} `unsafe`, `not_regular`, `missing`, …
 */
export async function readGuarded(path: string, options: GuardedOptions = {}): Promise<string> {
  const { maxBytes = MAX_BYTES, isSecret = false } = options;
  const check = async (handle: FileHandle) => {
    await checkOwner(path, { handle, isSecret });
    await checkAncestors(path);
  };
  return toText(await readWith(path, { maxBytes, follow: true, check }));
}

/** Options of {@linkcode readOwn} and {@linkcode readGuarded}. */
export interface GuardedOptions {
  /** True demands that only the owner can open it. @default {false} */
  readonly isSecret?: boolean;
  /** @default {16 MiB} */
  readonly maxBytes?: number | undefined;
}

interface ReadOptions {
  readonly maxBytes: number;
  readonly follow: boolean;
  readonly check?: (handle: FileHandle) => Promise<void>;
}

async function readWith(path: string, options: ReadOptions): Promise<Uint8Array> {
  const { maxBytes, follow, check } = options;
  try {
    await using handle = await openFile(path, { action: "read", follow });
    await check?.(handle);
    const { size } = await handle.stat();
    const bytes = size > maxBytes ? undefined : await readBytes(handle, { size, maxBytes });
    if (bytes !== undefined) return bytes;
  } catch (error) {
    if (error instanceof FileError) throw error;
    throw toFileError(error, { action: "read", path });
  }
  throw new FileError(`Cannot read ${path}: it is larger than ${maxBytes} bytes`, {
    path,
    reason: "too_large",
  });
}

/** Reads to the end; undefined if the file grows beyond `maxBytes` meanwhile. */
async function readBytes(
  handle: FileHandle,
  { size, maxBytes }: { size: number; maxBytes: number },
): Promise<Uint8Array | undefined> {
  let buffer = new Uint8Array(size + 1);
  let length = 0;
  for (;;) {
    const { bytesRead } = await handle.read(buffer, length, buffer.length - length, null);
    length += bytesRead;
    if (length > maxBytes) return undefined;
    if (bytesRead === 0) return buffer.subarray(0, length);
    if (length < buffer.length) continue;
    const larger = new Uint8Array(Math.min(2 * length, maxBytes) + 1);
    larger.set(buffer);
    buffer = larger;
  }
}

async function ifAny<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof FileError && error.reason === "missing") return undefined;
    throw error;
  }
}

/** Decodes UTF-8. A byte order mark stays, so that a file can be written back as it was. */
function toText(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}
