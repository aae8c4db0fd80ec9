import { didYouMean } from "../lib/did_you_mean.ts";
import { printable } from "../lib/printable.ts";
import { apiKeyProblem } from "./api_key.ts";
import { effectiveSocketPath } from "./paths.ts";
import { isUnset, type ReadContext, refuse, type ValueType } from "./value_type.ts";

/** The longest interval: timers hold 31 bits of milliseconds, a longer one would fire at once. */
const MAX_INTERVAL_S = 2_147_483;
/** The Go daemon warns below this too (docs/compatibility.md 4.2): daemons share one rate limit. */
const SHORT_POLL_S = 5;
/** The largest number of entries of a list or map. */
const MAX_ENTRIES = 1000;
/** The largest number of characters of a value; Linux has this limit for paths. */
const MAX_TEXT_LENGTH = 4096;
/** A selector may name many endpoints. */
const MAX_SELECTOR_LENGTH = 16 * 1024;
// deno-lint-ignore no-control-regex
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;
const WHOLE_NUMBER = /^[+-]?(?:0|[1-9][0-9]*)$/;
const TRUE_WORDS = ["true", "yes", "on"];
const FALSE_WORDS = ["false", "no", "off"];

/** An API key. */
export const apiKey: ValueType<string> = {
  values: "text",
  read(value) {
    // Without readText(), whose messages show the value.
    if (typeof value !== "string" && typeof value !== "number") return refuse("it is not text");
    const key = String(value);
    const problem = apiKeyProblem(key);
    return problem === undefined ? key : refuse(problem, "Set it with: ngrokctl set-api-key");
  },
};

/** A level of the log; `warning` is `warn`. */
export const logLevel: ValueType<"debug" | "info" | "warn" | "error"> = {
  values: "`debug`, `info`, `warn` or `error`",
  read(value) {
    const word = readWord(value, ["debug", "info", "warn", "error", "warning"]);
    return word === "warning" ? "warn" : word;
  },
};

/** A format of log lines. */
export const logFormat: ValueType<"text" | "json"> = {
  values: "`text` or `json`",
  read: (value) => readWord(value, ["text", "json"]),
};

/** The policy for ports that other programs hold. */
export const redirectMode: ValueType<"auto" | "off"> = {
  values: "`auto` or `off`",
  // YAML 1.1 reads `off` as false.
  read: (value) => value === false ? "off" : readWord(value, ["auto", "off"]),
};

/** The policy for names that also exist in the public DNS. */
export const shadowPolicy: ValueType<"refuse" | "warn"> = {
  values: "`refuse` or `warn`",
  read: (value) => readWord(value, ["refuse", "warn"]),
};

/** The path of a file. */
export const filePath: ValueType<string> = {
  values: "path",
  read(value) {
    const path = readText(value);
    return path.endsWith("/") ? refuse(`"${printable(path)}" is a directory`, "Name a file in it") : path;
  },
};

/** The path of the control socket; the Go daemon's path means the default. */
export const socketPath: ValueType<string> = {
  values: "path",
  read: (value, context) => effectiveSocketPath(filePath.read(value, context), context.os),
};

/** An interval: seconds in the file, milliseconds in the configuration. */
export const seconds: ValueType<number> = {
  values: "seconds",
  read(value, context) {
    const { fallback } = context;
    const interval = readInteger(value, context);
    if (interval < 0) refuse(`${interval} is negative`, `The default is ${fallback / 1000} (seconds)`);
    if (interval > MAX_INTERVAL_S) refuse(`${interval} is too long`, `At most ${MAX_INTERVAL_S} seconds`);
    return interval * 1000 || fallback;
  },
  write: (ms) => ms / 1000,
};

/** A time that 0 leaves out, which is no default as elsewhere. */
export const secondsOrNone: ValueType<number> = {
  ...seconds,
  values: "seconds, 0 = none",
  takesZero: true,
  read: (value, context) => readInteger(value, context) === 0 ? 0 : seconds.read(value, context),
};

/** The shortest interval that does not switch something off. */
const MIN_INTERVAL_S = 10;

/** An interval that 0 switches off, which is no default as elsewhere. */
export const secondsOrOff: ValueType<number> = {
  ...seconds,
  values: "seconds, 0 = off",
  takesZero: true,
  read(value, context) {
    if (readInteger(value, context) === 0) return 0;
    const ms = seconds.read(value, context);
    if (ms < MIN_INTERVAL_S * 1000) {
      refuse(`${ms / 1000} is too short`, `At least ${MIN_INTERVAL_S} seconds, or 0 for off`);
    }
    return ms;
  },
};

/** The interval between two polls. */
export const pollSeconds: ValueType<number> = {
  ...seconds,
  read(value, context) {
    const ms = seconds.read(value, context);
    if (ms < SHORT_POLL_S * 1000) {
      context.warn("polls this frequent can meet the API's rate limit", `Use ${SHORT_POLL_S} or more`);
    }
    return ms;
  },
};

/** A port that can be bound or dialled. */
export const port: ValueType<number> = {
  values: "port",
  read(value, context) {
    const { fallback } = context;
    const port = readInteger(value, context);
    if (port < 0 || port > 65535) refuse(`${port} is not in 1 to 65535`, `The default is ${fallback}`);
    return port || fallback;
  },
};

/** A list of ports. */
export const ports: ValueType<readonly number[]> = listOf("ports", {
  read(value) {
    const port = typeof value === "string" && WHOLE_NUMBER.test(value) ? Number(value) : value;
    if (typeof port === "number" && Number.isInteger(port) && port >= 1 && port <= 65535) return port;
    return refuse(`${show(value)} is not a port`, "Write the numbers of single ports, such as 22");
  },
});

/** True or false, also in the words of YAML 1.1 that the Go daemon accepts. */
export const boolean: ValueType<boolean> = {
  values: "`true` or `false`",
  read(value) {
    if (typeof value === "boolean") return value;
    const word = typeof value === "string" ? value.toLowerCase() : "";
    if (![...TRUE_WORDS, ...FALSE_WORDS].includes(word)) refuse(`${show(value)} is not true or false`);
    return TRUE_WORDS.includes(word);
  },
};

/** A list of expressions that select endpoints. */
export const selectors: ValueType<readonly string[]> = listOf("CEL expressions", {
  read: (value) => readText(value, { maxLength: MAX_SELECTOR_LENGTH }),
});

/** Returns a list with one problem for each bad element. */
export function listOf<T>(values: string, element: ListElement<T>): ValueType<readonly T[]> {
  const { read, write = (value) => value, mayBeEmpty = false } = element;
  return {
    values: `list of ${values}`,
    read(value, context) {
      const { at, fallback } = context;
      if (!Array.isArray(value)) return refuse("it is not a list");
      checkCount(value.length);
      const items: T[] = [];
      for (const [index, item] of value.entries()) {
        at(String(index), () => items.push(isUnset(item) ? refuse("it is empty") : read(item, context)));
      }
      return value.length === 0 && !mayBeEmpty ? fallback : items;
    },
    write: (items) => items.map(write),
  };
}

/** An element of {@linkcode listOf}. */
export interface ListElement<T> {
  readonly read: (value: unknown, context: Pick<ReadContext<T>, "interfaces" | "warn">) => T;
  readonly write?: (value: T) => unknown;
  /** True if an empty list is a value; otherwise it is the default. */
  readonly mayBeEmpty?: boolean;
}

/** Refuses a list or map with too many entries. */
export function checkCount(count: number): void {
  if (count > MAX_ENTRIES) refuse(`it has ${count} entries, more than ${MAX_ENTRIES}`);
}

/** Reads text on one line. Numbers and booleans keep their spelling: YAML reads `- true` as one. */
export function readText(value: unknown, options: { readonly maxLength?: number } = {}): string {
  const { maxLength = MAX_TEXT_LENGTH } = options;
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  if (typeof value !== "string") return refuse("it is not text");
  if (value.length > maxLength) return refuse(`it is longer than ${maxLength} characters`);
  if (CONTROL.test(value)) refuse(`"${printable(value)}" contains a line break or a control character`);
  return value;
}

/** Returns the suggestion for a mistyped word; undefined if no candidate is near. */
export function suggestWord(word: string, candidates: Iterable<string>): string | undefined {
  const near = didYouMean(word, candidates);
  return near === undefined ? undefined : `Did you mean "${near}"?`;
}

/** Reads one of some words, in any case. */
function readWord<T extends string>(value: unknown, words: readonly T[]): T {
  const text = readText(value).toLowerCase();
  const word = words.find((candidate) => candidate === text);
  if (word !== undefined) return word;
  return refuse(
    `"${printable(text)}" is not ${words.slice(0, -1).join(", ")} or ${words.at(-1)}`,
    suggestWord(text, words),
  );
}

function readInteger(value: unknown, { warn }: ReadContext<number>): number {
  const number = typeof value === "string" && WHOLE_NUMBER.test(value) ? Number(value) : value;
  if (typeof number !== "number" || !Number.isSafeInteger(number)) {
    return refuse(`${show(value)} is not a whole number`);
  }
  if (typeof value === "string") warn("the number is written as text", "Remove the quotes");
  return number;
}

function show(value: unknown): string {
  if (typeof value === "string") return `"${printable(value)}"`;
  return typeof value === "number" ? String(value) : "it";
}
