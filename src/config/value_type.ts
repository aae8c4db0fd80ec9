import type { ConfigProblem } from "../model/errors.ts";

/** A type of value in the configuration file. */
export interface ValueType<T> {
  /** The values that it takes, for the reference. */
  readonly values: string;
  /** True if zero is a value, and does not mean the default. @default {false} */
  readonly takesZero?: boolean;
  /** Reads a value that is set; calls {@linkcode refuse} for one that cannot be used. */
  read(value: unknown, context: ReadContext<T>): T;
  /** The value as the file has it; without this function, both are the same. */
  write?(value: T): unknown;
}

/** Everything that reading one value may depend on, and where its problems go. */
export interface ReadContext<T> {
  /** The default of the key. */
  readonly fallback: T;
  /** Undefined if the interfaces of this machine are not known. */
  readonly interfaces: ListInterfaces | undefined;
  /** The name of the operating system in Deno. */
  readonly os: string;
  warn(message: string, suggestion: string): void;
  /** Reads a part of the value; a refusal becomes a problem at this path below the key. */
  at(path: string, read: () => void): void;
}

/** Lists the interfaces of this machine, once for each of their IPv4 addresses. */
export type ListInterfaces = () => readonly { readonly interface: string; readonly address: string }[];

/** A value that cannot be used. Only {@linkcode refusalOf} catches it. */
class Refusal extends Error {
  override readonly name = "Refusal";
  readonly suggestion: string | undefined;
  constructor(message: string, suggestion?: string) {
    super(message);
    this.suggestion = suggestion;
  }
}

/**
 * Throws a {@linkcode Refusal} because the value cannot be used; `suggestion` names a better value.
 */
export function refuse(message: string, suggestion?: string): never {
  throw new Refusal(message, suggestion);
}

/** Returns the problem with a value that `read` refuses; undefined if it accepts the value. */
export function refusalOf(path: string, read: () => void): ConfigProblem | undefined {
  try {
    read();
    return undefined;
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const { message, suggestion } = error;
    return { path, message, ...(suggestion === undefined ? {} : { suggestion }) };
  }
}

/**
 * Returns true if a value means the default: null, zero and empty do (docs/compatibility.md 4.2).
 */
export function isUnset(value: unknown): boolean {
  return value === undefined || value === null || value === "" || value === 0;
}
