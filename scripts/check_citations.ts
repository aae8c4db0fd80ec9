// Checks what the repository cites: documents, their sections, decisions, promises (R1), faults
// (F1), the targets of Markdown links, and excerpts of files.
import { posix } from "node:path";
import { writeErr, writeOut } from "../src/system/terminal.ts";

/** Folders that hold nothing of the repository. */
const FOREIGN: ReadonlySet<string> = new Set([".git", "node_modules", "build"]);
const PROMISES = "docs/reliability.md";
const FAULTS = "scripts/faults/rows.ts";
/**
 * Documents whose tables have ids such as `R1` in the first column. `R1` is a promise and a test
 * vector.
 */
const WITH_IDS: readonly string[] = [PROMISES, "docs/protocol.md"];
/** Tests of the checkers, which cite what must not exist. */
const EXEMPT: ReadonlySet<string> = new Set([
  "tests/scripts/check_citations_test.ts",
  "tests/scripts/faults_test.ts",
]);

/**
 * The repository: the text of each file that is checked, and undefined for any other file. Paths
 * start at the root.
 */
export type Repository = ReadonlyMap<string, string | undefined>;

/** Returns one sentence for each citation or relative link whose target does not exist. */
export function checkCitations(repository: Repository): string[] {
  const facts = new Facts(repository);
  const problems: string[] = [];
  for (const [path, text] of repository) {
    if (text === undefined || EXEMPT.has(path)) continue;
    const found = [...citationProblems(text, facts), ...idProblems(text, facts)];
    if (path.endsWith(".md")) {
      if (path === PROMISES) found.push(...repeatedRows(text));
      found.push(
        ...linkProblems(path, { text, facts }),
        ...spanProblems(text, facts),
        ...excerptProblems(text, repository),
      );
    }
    problems.push(...new Set(found.map((problem) => `${path}: ${problem}`)));
  }
  return problems;
}

/** The targets that citations can have. */
class Facts {
  readonly #repository: Repository;
  readonly #folders = new Set<string>();
  /** By document. */
  readonly #ids = new Map<string, Set<string>>();
  /** Of all documents. */
  readonly ids = new Set<string>();

  constructor(repository: Repository) {
    this.#repository = repository;
    for (const path of repository.keys()) {
      for (let folder = posix.dirname(path); folder !== "."; folder = posix.dirname(folder)) {
        this.#folders.add(folder);
      }
    }
    for (const path of [...WITH_IDS, FAULTS]) {
      const rows = (repository.get(path) ?? "").matchAll(/^\| ([A-Z]\d+) \||^ *\{ id: "(F\d+)"/gm);
      const ids = new Set([...rows].map(([, row, fault]) => row ?? fault!));
      this.#ids.set(path, ids);
      for (const id of ids) this.ids.add(id);
    }
  }

  exists(path: string): boolean {
    return this.#repository.has(path) || this.#folders.has(path);
  }

  /** True if a file or folder matches a path in which `*` stands for any part of a name. */
  matches(pattern: string): boolean {
    const escaped = pattern.replace(/\/$/, "").replace(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", "[^/]*");
    const expression = new RegExp(`^${escaped}$`);
    return [...this.#repository.keys(), ...this.#folders].some((path) => expression.test(path));
  }

  hasDecision(number: string): boolean {
    return this.matches(`docs/decisions/${number}-*.md`);
  }

  hasId(document: string, id: string): boolean {
    return this.#ids.get(document)?.has(id) ?? false;
  }

  /** The titles of a document's headings, without their numbers. */
  titles(document: string): string[] {
    return headings(this.#repository.get(document) ?? "").map((title) => title.replace(/^[\d.]+ /, ""));
  }

  hasSection(document: string, number: string): boolean {
    return headings(this.#repository.get(document) ?? "").some((title) =>
      /^(\d+(?:\.\d+)*)\.? /.exec(title)?.[1] === number
    );
  }

  hasAnchor(document: string, anchor: string): boolean {
    const slugs = new Map<string, number>();
    for (const title of headings(this.#repository.get(document) ?? "")) {
      const slug = slugOf(title);
      const count = slugs.get(slug) ?? 0;
      slugs.set(slug, count + 1);
      if (anchor === (count === 0 ? slug : `${slug}-${count}`)) return true;
    }
    return false;
  }
}

function headings(text: string): string[] {
  const prose = withoutFences(text);
  return [...prose.matchAll(/^#{1,6} (.+)$/gm)].map((match) => match[1]!.replaceAll("`", "").trim());
}

/** The anchor that GitHub gives a heading. */
function slugOf(title: string): string {
  return title.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-");
}

function withoutFences(text: string): string {
  return text.replace(/^( *)```[\s\S]*?^\1```$/gm, "");
}

function* citationProblems(text: string, facts: Facts): Generator<string> {
  // A comment or a list item may break the line between a document and its section.
  const joined = text.replace(/\n[ \t]*(?:\*(?!\/)|\/\/|#)?[ \t]*/g, " ");
  for (const [, path, rest] of joined.matchAll(/(?<![\w/.])(docs\/[\w/-]+\.md)((?:,? [^`|]{0,80})?)/g)) {
    if (!facts.exists(path!)) yield `${path} does not exist`;
    else yield* sectionProblems(path!, { rest: rest!, facts });
  }
  for (const [, number] of joined.matchAll(/docs\/decisions\/(\d+)(?![\w-])/g)) {
    if (!facts.hasDecision(number!)) yield `docs/decisions/${number} does not exist`;
  }
  for (const [name] of joined.matchAll(/(?<![\w/.-])[A-Z][A-Z_]+\.md\b/g)) {
    if (!facts.exists(name) && !facts.exists(`docs/${name}`)) yield `${name} does not exist`;
  }
}

/**
 * The sections that a citation names right after its document: `4.3`, `R37`, `R34, R35`, or a
 * title.
 */
function* sectionProblems(
  document: string,
  { rest, facts }: { rest: string; facts: Facts },
): Generator<string> {
  const [, number] = /^,? (\d+(?:\.\d+)*)(?![\w%])/.exec(rest) ?? [];
  const [, ids] = /^,? ([RF]\d+(?:(?:,| and| to) [RF]\d+)*)/.exec(rest) ?? [];
  const [, title] = /^,? "?([A-Z][\w' -]*)/.exec(rest) ?? [];
  if (number !== undefined) {
    if (!facts.hasSection(document, number)) yield `${document} has no section ${number}`;
  } else if (ids !== undefined) {
    for (const [id] of ids.matchAll(/[RF]\d+/g)) {
      if (!facts.hasId(document, id)) yield `${document} has no row ${id}`;
    }
  } else if (title !== undefined) {
    const isTitle = facts.titles(document).some((known) =>
      known.startsWith(title) || title.startsWith(known)
    );
    if (!isTitle) yield `${document} has no section "${title.trim()}"`;
  }
}

function* idProblems(text: string, { ids }: Facts): Generator<string> {
  for (const [id] of text.matchAll(/(?<![\w.#$/%\\+-])[RF]\d{1,3}(?![\w.-]*\w)/g)) {
    if (!ids.has(id)) yield `${id} is no promise, fault or test vector`;
  }
}

/** Finds rows that have the same id: merging two versions of a table keeps both. */
function* repeatedRows(text: string): Generator<string> {
  const seen = new Set<string>();
  for (const [, id] of text.matchAll(/^\| ([A-Z]\d+) \|/gm)) {
    if (seen.has(id!)) yield `${id} has more than one row`;
    seen.add(id!);
  }
}

function* linkProblems(path: string, { text, facts }: { text: string; facts: Facts }): Generator<string> {
  const prose = withoutFences(text).replace(/`[^`\n]*`/g, "");
  for (const [, target] of prose.matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^[a-z]+:/.test(target!)) continue;
    const [file = "", anchor] = target!.split("#");
    const document = file === ""
      ? path
      : posix.normalize(posix.join(posix.dirname(path), file)).replace(/\/$/, "");
    if (!facts.exists(document)) yield `the link ${target} leads nowhere`;
    else if (anchor !== undefined && !facts.hasAnchor(document, anchor)) {
      yield `the link ${target} leads to no heading`;
    }
  }
}

/** Paths of the repository in code spans. */
function* spanProblems(text: string, facts: Facts): Generator<string> {
  for (const [, path] of text.matchAll(/`((?:src|tests|scripts|sim|bench|docs|\.ci)\/[\w./*-]*)`/g)) {
    if (!facts.matches(path!) && !/^docs\/decisions\/\d+$/.test(path!)) yield `${path} does not exist`;
  }
}

/** Fenced excerpts after the name of their file: "… (`src/a.ts`):". Indentation does not count. */
function* excerptProblems(text: string, repository: Repository): Generator<string> {
  for (const [, path, excerpt] of text.matchAll(/\(`([\w./-]+)`\):\n+```\w*\n([\s\S]*?)^```$/gm)) {
    const isThere = withoutIndent(repository.get(path!) ?? "").includes(withoutIndent(excerpt!));
    if (!isThere) yield `the excerpt of ${path} differs from the file`;
  }
}

function withoutIndent(text: string): string {
  return text.replace(/^[ \t]+/gm, "");
}

async function* walk(root: URL, folder = ""): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(new URL(folder, root))) {
    if (FOREIGN.has(name)) continue;
    if (isDirectory) yield* walk(root, `${folder}${name}/`);
    else yield folder + name;
  }
}

function isChecked(path: string): boolean {
  return /\.(ts|md|yml)$/.test(path) || path === ".ci/run";
}

async function main(): Promise<number> {
  if (Deno.args.length > 0) {
    writeErr("Usage: deno run -P=scripts --no-prompt scripts/check_citations.ts\n");
    return 2;
  }
  const root = new URL("../", import.meta.url);
  const repository = new Map<string, string | undefined>();
  for await (const path of walk(root)) {
    repository.set(path, isChecked(path) ? await Deno.readTextFile(new URL(path, root)) : undefined);
  }
  const problems = checkCitations(repository);
  for (const problem of problems.sort()) writeErr(`${problem}\n`);
  writeOut(`${repository.size} files, ${problems.length} problems\n`);
  return problems.length === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main());
