import * as z from "zod";

/** One key's value: reads anything, gives a `T`. */
export type Field<T> = z.ZodType<T>;

/** Why a reader does not take a value. Only {@linkcode field} and {@linkcode element} catch it. */
class Refusal extends Error {
  override readonly name = "Refusal";
  readonly suggestion: string | undefined;
  constructor(message: string, suggestion?: string) {
    super(message);
    this.suggestion = suggestion;
  }
}

/** Leaves a reader: the value cannot be used. `message` says what it is not, `suggestion` what to write. */
export function refuse(message: string, suggestion?: string): never {
  throw new Refusal(message, suggestion);
}

/** A field that may be left out; null, zero and empty mean the fallback too (COMPAT.md 4.2). */
export function field<T>(fallback: T, read: (value: unknown) => T): Field<T> {
  return z.unknown().optional().transform((value, context) =>
    isUnset(value) ? fallback : attempt(() => read(value), { context })
  );
}

/** A field of a list or a map, which has no default: an empty one is refused. */
export function element<T>(read: (value: unknown) => T): Field<T> {
  return z.unknown().transform((value, context) =>
    attempt(() => isUnset(value) ? refuse("it is empty") : read(value), { context })
  );
}

/** A list of elements; a missing or empty one is the fallback. */
export function list<T>(fallback: readonly T[], item: Field<T>): Field<readonly T[]> {
  return z.preprocess(
    (value) => isUnset(value) ? [] : value,
    z.array(item, { error: () => "it is not a list" }).transform((items) =>
      items.length === 0 ? fallback : items
    ),
  );
}

/** Whether a value stands for "not given". */
export function isUnset(value: unknown): boolean {
  return value === undefined || value === null || value === "" || value === 0;
}

/** Puts what the reader refuses among the problems, below `path` in the value that is being read. */
export function attempt<T>(read: () => T, options: { context: z.RefinementCtx; path?: string[] }): T {
  const { context, path = [] } = options;
  try {
    return read();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    context.addIssue({
      code: "custom",
      message: error.message,
      params: { suggestion: error.suggestion },
      path,
    });
    return z.NEVER;
  }
}
