import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  type Pair,
  type Range,
  type Scalar,
  type YAMLMap,
} from "yaml";

/** A text that replaces the range from `start` to `end`. */
export interface Splice {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** The value in YAML, and the line ending of the file. */
interface Piece {
  readonly value: string;
  readonly eol: string;
}

/**
 * Returns the edits that may make `value` the `api.key` of the document, the best first. The caller
 * must check that an edit changes nothing else: anchors, chomping and document markers affect other
 * values.
 */
export function keySplices(text: string, document: Document, options: { readonly value: string }): Splice[] {
  const { value } = options;
  const root = document.contents;
  const piece: Piece = { value, eol: /\r?\n/.exec(text)?.[0] ?? "\n" };
  if (root === null || isNull(root)) return intoEmptyFile(text, root?.range ?? undefined, piece);
  if (!isMap(root)) return [];
  const api = findPair(root, "api");
  if (api === undefined) {
    return root.flow ? [intoFlow(text, root, `"api": {"key": ${value}}`)] : besideSections(text, root, piece);
  }
  if (isMap(api.value)) {
    const key = findPair(api.value, "key");
    if (key !== undefined) return replaceValue(text, key, value);
    return [
      api.value.flow ? intoFlow(text, api.value, `"key": ${value}`) : beforeFirst(text, api.value, piece),
    ];
  }
  if (api.value !== null && !isNull(api.value)) return [];
  const inFlow = replaceValue(text, api, `{"key": ${value}}`);
  return root.flow || !isEmpty(api.value)
    ? inFlow
    : [belowSection(text, api.value, { root, piece }), ...inFlow];
}

/** Edits of a file that is empty or has only comments. */
function intoEmptyFile(text: string, range: Range | undefined, options: Piece): Splice[] {
  const { value, eol } = options;
  const start = range?.[0] ?? text.length;
  const end = range?.[1] ?? start;
  const flow = `{"api": {"key": ${value}}}`;
  if (end > start) return [{ start, end, text: flow }];
  const block = `api:${eol}  key: ${value}${eol}`;
  return [append(text, block, eol), { start, end, text: block }, { start, end, text: ` ${flow}` }];
}

/** Returns a new section, after the others or before them. */
function besideSections(text: string, root: YAMLMap, { value, eol }: Piece): Splice[] {
  const start = root.range![0];
  const indent = indentAt(text, start);
  const block = `api:${eol}${indent}  key: ${value}${eol}`;
  return [append(text, indent + block, eol), { start, end: start, text: block + indent }];
}

/** Returns a line below an `api:` that has no value; a comment on that line stays. */
function belowSection(text: string, value: Scalar, where: { root: YAMLMap; piece: Piece }): Splice {
  const { root, piece } = where;
  const lineEnd = /\r?\n|$/.exec(text.slice(endOfWord(text, value.range![0])))!;
  const start = endOfWord(text, value.range![0]) + lineEnd.index;
  const indent = indentAt(text, root.range![0]);
  return { start, end: start, text: `${piece.eol}${indent}  key: ${piece.value}` };
}

function beforeFirst(text: string, map: YAMLMap, { value, eol }: Piece): Splice {
  const start = map.range![0];
  return { start, end: start, text: `key: ${value}${eol}${indentAt(text, start)}` };
}

/** Returns the first pair in `{…}`; the key is quoted, because the file may be JSON. */
function intoFlow(text: string, map: YAMLMap, pair: string): Splice {
  const start = map.range![0] + 1;
  const comma = map.items.length === 0 ? "" : /\s/.test(text[start] ?? "") ? "," : ", ";
  return { start, end: start, text: pair + comma };
}

function replaceValue(text: string, pair: Pair, value: string): Splice[] {
  const old = pair.value;
  if (old === null) {
    // `{key}`, without a colon.
    const end = isScalar(pair.key) ? pair.key.range?.[1] : undefined;
    return end === undefined ? [] : [{ start: end, end, text: `: ${value}` }];
  }
  if (!(isScalar(old) || isAlias(old)) || !old.range) return [];
  const [start, end] = old.range;
  if (end === start) {
    const at = endOfWord(text, start);
    return [{ start: at, end: at, text: ` ${value}` }];
  }
  const body = text.slice(start, end);
  const isBlock = isScalar(old) && (old.type === "BLOCK_LITERAL" || old.type === "BLOCK_FOLDED");
  return [{
    start,
    end: isBlock ? start + blockEnd(body) : end,
    text: isBlock ? value + blockComment(body) : value,
  }];
}

/**
 * Returns the end of the lines of a block scalar; the empty lines after them belong to the file.
 */
function blockEnd(body: string): number {
  for (let end = body.length;;) {
    const at = startOfBlanks(body, end);
    if (body[at - 1] !== "\n") return end;
    end = body[at - 2] === "\r" ? at - 2 : at - 1;
  }
}

/** Returns the comment on the first line of a block scalar. */
function blockComment(body: string): string {
  const [line = ""] = body.split(/[\r\n]/, 1);
  const hash = line.indexOf("#");
  const start = startOfBlanks(line, hash);
  return start < hash ? line.slice(start) : "";
}

/** Returns the start of the spaces and tabs before `end`. */
function startOfBlanks(text: string, end: number): number {
  let start = end;
  while (text[start - 1] === " " || text[start - 1] === "\t") start--;
  return start;
}

function append(text: string, block: string, eol: string): Splice {
  const start = text.length;
  const needsEol = start > 0 && text !== "\ufeff" && !text.endsWith("\n");
  return { start, end: start, text: needsEol ? eol + block : block };
}

function findPair(map: YAMLMap, name: string): Pair | undefined {
  return map.items.find((pair) => isScalar(pair.key) && pair.key.value === name);
}

function isNull(node: unknown): node is Scalar {
  return isScalar(node) && node.value === null;
}

function isEmpty(node: unknown): node is Scalar {
  return isNull(node) && node.range !== undefined && node.range !== null && node.range[0] === node.range[1];
}

/** Returns the indentation of the line at `offset`. */
function indentAt(text: string, offset: number): string {
  const lineStart = text.lastIndexOf("\n", offset - 1) + 1;
  return /^\ufeff?( *)/.exec(text.slice(lineStart, offset))![1]!;
}

/** Returns the end of the last word before `offset`. */
function endOfWord(text: string, offset: number): number {
  return text.slice(0, offset).trimEnd().length;
}
