import {
  type Alias,
  type Document,
  type ErrorCode,
  isAlias,
  isCollection,
  isScalar,
  LineCounter,
  parseDocument,
  visit,
} from "yaml";
import { ConfigError, type ConfigProblem } from "../model/errors.ts";
import { validationError } from "./validation_error.ts";

/** The largest number of aliases in a file, after expansion. */
const MAX_ALIASES = 100;

/**
 * The largest number of lines and of characters that may begin or end a value. The parser needs
 * about 20 µs for each; 1,000 entries of ten lists have 30,000, also in JSON.
 */
const MAX_MARKS = 40_000;
const MARKS: ReadonlySet<number> = new Set(
  [..."\n\t,:[]{}?!%&*|>@`\"'"].map((mark) => mark.charCodeAt(0)),
);

/** Messages by the parser's code. Its own messages can quote the file, which holds the API key. */
const SYNTAX: Partial<Record<ErrorCode, readonly [message: string, suggestion?: string]>> = {
  BAD_ALIAS: ["an alias has no anchor", "Put text that begins with * in quotes"],
  BAD_DQ_ESCAPE: [
    "an escape sequence in double quotes is not known",
    "Use single quotes, or double the backslash",
  ],
  BAD_INDENT: ["the indentation does not match the lines above"],
  BAD_SCALAR_START: ["a value begins with a reserved character", "Put it in quotes"],
  BLOCK_AS_IMPLICIT_KEY: ["a second key is on the line", "Put a value that contains a colon in quotes"],
  DUPLICATE_KEY: ["the key is repeated here", "Remove one of the two"],
  MISSING_CHAR: ["a quote, bracket, comma or space is missing here or above"],
  MULTILINE_IMPLICIT_KEY: ["a line has no key, or its colon is missing", "Write it as key: value"],
  MULTIPLE_DOCS: ["a second document begins", "Keep one document, without --- between"],
  RESOURCE_EXHAUSTION: ["the nesting is too deep"],
  TAB_AS_INDENT: ["a tab is used for indentation", "Use spaces"],
};

/** The content of a YAML text, and the parser's document, which has the positions. */
export interface ParsedYaml {
  readonly value: unknown;
  readonly document: Document;
}

/**
 * Reads one YAML document. An empty one has the value null.
 *
 * @throws {ConfigError} If the text is not one YAML document, with line and column.
 */
export function parseYaml(text: string): ParsedYaml {
  if (hasTooManyMarks(text)) {
    const message = `it has more than ${MAX_MARKS} lines, brackets, quotes and other marks of YAML`;
    throw validationError([{ path: "", message, suggestion: "Shorten it" }]);
  }
  try {
    return parse(text);
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    // The parser throws plain errors for endless aliases, merges of scalars, and nesting beyond its
    // stack.
    const message = "the nesting is too deep, or the aliases and merges cannot be resolved";
    throw validationError([{ path: "", message, suggestion: "Write the values out" }]);
  }
}

function hasTooManyMarks(text: string): boolean {
  let count = 0;
  for (let at = 0; at < text.length; at++) if (MARKS.has(text.charCodeAt(at))) count++;
  // A host name has hyphens too.
  for (let at = text.indexOf("- "); at >= 0; at = text.indexOf("- ", at + 2)) count++;
  return count > MAX_MARKS;
}

function parse(text: string): ParsedYaml {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, {
    keepSourceTokens: true,
    lineCounter,
    // Without warnings on the process. "silent" would also accept a second document.
    logLevel: "error",
    // The Go daemon's parser supports `<<:`.
    merge: true,
    prettyErrors: false,
    // The parser compares every two keys of a map, which takes seconds for thousands of them.
    uniqueKeys: false,
  });
  if (document.errors.length > 0) throw validationError(syntaxProblems(document.errors, lineCounter));
  const repeated = repeatedKeys(document);
  if (repeated.length > 0) throw validationError(syntaxProblems(repeated, lineCounter));
  const broken = keepSpelling(document);
  if (broken !== undefined) {
    const error = { code: "BAD_ALIAS", pos: [broken.range?.[0] ?? 0] } as const;
    throw validationError(syntaxProblems([error], lineCounter));
  }
  return { value: document.toJS({ maxAliasCount: MAX_ALIASES }), document };
}

/** An error of the parser. */
interface SyntaxFault {
  readonly code: ErrorCode;
  readonly pos: readonly [start: number, ...rest: number[]];
}

function syntaxProblems(errors: readonly SyntaxFault[], lineCounter: LineCounter): ConfigProblem[] {
  const problems = new Map<string, ConfigProblem>();
  for (const error of errors) {
    const { line, col } = lineCounter.linePos(error.pos[0]);
    const path = `line ${line}, column ${col}`;
    const [message, suggestion] = SYNTAX[error.code] ?? ["the YAML syntax is wrong here"];
    if (!problems.has(path)) {
      problems.set(path, { path, message, ...(suggestion === undefined ? {} : { suggestion }) });
    }
  }
  return [...problems.values()];
}

/** Returns the keys that their maps already have. */
function repeatedKeys(document: Document): SyntaxFault[] {
  const faults: SyntaxFault[] = [];
  visit(document, {
    Map(_, { items }) {
      const keys = new Set<unknown>();
      for (const { key } of items) {
        if (!isScalar(key)) continue;
        if (keys.has(key.value)) faults.push({ code: "DUPLICATE_KEY", pos: [key.range?.[0] ?? 0] });
        keys.add(key.value);
      }
    },
  });
  return faults;
}

/**
 * Turns numbers and booleans into text if they would be printed in another spelling: `0123` may be
 * a key, `True` a selector. Returns the first alias without an anchor before it, which the parser
 * itself would report without its position.
 */
function keepSpelling(document: Document): Alias | undefined {
  const anchors = new Set<string>();
  let broken: Alias | undefined;
  visit(document, (_, node) => {
    if (isAlias(node)) {
      if (!anchors.has(node.source)) broken ??= node;
      return;
    }
    if ((isScalar(node) || isCollection(node)) && node.anchor !== undefined) anchors.add(node.anchor);
    if (!isScalar(node) || node.source === undefined) return;
    const { value } = node;
    if ((typeof value === "number" || typeof value === "boolean") && String(value) !== node.source) {
      node.value = node.source;
    }
  });
  return broken;
}
