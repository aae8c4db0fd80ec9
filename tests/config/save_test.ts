import assert from "node:assert/strict";
import { join } from "node:path";
import fc from "fast-check";
import { isNode, parse, parseDocument } from "yaml";
import { saveApiKey, setApiKeyText } from "../../src/config/save.ts";
import { ConfigError, FileError } from "../../src/model/errors.ts";
import { readText, statPath, writeFileAtomic } from "../../src/system/files.ts";

const CASES: readonly (readonly [layout: string, before: string, after: string])[] = [
  ["an empty value in double quotes", `api:\n  key: ""\n`, `api:\n  key: "K"\n`],
  ["a value in single quotes", `api:\n  key: 'old'\n`, `api:\n  key: "K"\n`],
  [
    "a plain value with a comment after it",
    `api:\n  key: old # mine\n  url: x\n`,
    `api:\n  key: "K" # mine\n  url: x\n`,
  ],
  ["a plain value over two lines", `api:\n  key: old\n    older\nnet: {}\n`, `api:\n  key: "K"\nnet: {}\n`],
  ["a value on the next line", `api:\n  key:\n    old\n`, `api:\n  key:\n    "K"\n`],
  ["an empty value", `api:\n  key:\n  url: x\n`, `api:\n  key: "K"\n  url: x\n`],
  [
    "an empty value with a comment",
    `api:\n  key:   # here\n  url: x\n`,
    `api:\n  key: "K"   # here\n  url: x\n`,
  ],
  [
    "an empty value with comments below",
    `api:\n  key:\n    # one\n\n    # two\nnet: {}\n`,
    `api:\n  key: "K"\n    # one\n\n    # two\nnet: {}\n`,
  ],
  ["a null", `api: {url: x, key: ~}`, `api: {url: x, key: "K"}`],
  ["a literal block", `api:\n  key: | # why\n    old\n\nnet: {}\n`, `api:\n  key: "K" # why\n\nnet: {}\n`],
  ["a folded block at the end of the file", `api:\n  key: >-\n    old`, `api:\n  key: "K"`],
  [
    "a literal block with CRLF",
    "api:\r\n  key: |-\r\n    old\r\n  url: x\r\n",
    `api:\r\n  key: "K"\r\n  url: x\r\n`,
  ],
  ["an anchor that nothing refers to", `api:\n  key: &a old\n`, `api:\n  key: &a "K"\n`],
  ["an anchor on nothing", `api:\n  key: &a # c\n`, `api:\n  key: &a "K" # c\n`],
  ["an alias", `x: &a old\napi:\n  key: *a\n`, `x: &a old\napi:\n  key: "K"\n`],
  ["a tag", `api:\n  key: !!str\n`, `api:\n  key: !!str "K"\n`],
  ["tabs around the value", "api:\n  key:\told\t# c\n", `api:\n  key:\t"K"\t# c\n`],
  ["a flow map", `api: {url: x, key: y} # c\n`, `api: {url: x, key: "K"} # c\n`],
  ["a flow map without the key", `api: { url: x }\n`, `api: {"key": "K", url: x }\n`],
  ["a flow map that is empty", `api: {}\n`, `api: {"key": "K"}\n`],
  ["a flow map with a bare key", `api: {key}\n`, `api: {key: "K"}\n`],
  ["JSON", `{"net": {"start_port": 1}, "api": {}}`, `{"net": {"start_port": 1}, "api": {"key": "K"}}`],
  ["JSON without the section", `{\n  "net": {}\n}\n`, `{"api": {"key": "K"},\n  "net": {}\n}\n`],
  ["a root that is an empty flow map", `{}`, `{"api": {"key": "K"}}`],
  ["a flow root with a section that is null", `{api: , net: {}}`, `{api: {"key": "K"} , net: {}}`],
  [
    "a section without the key",
    `api:\n    # url\n    url: x\n`,
    `api:\n    # url\n    key: "K"\n    url: x\n`,
  ],
  ["an empty section", `api:\nnet: {}\n`, `api:\n  key: "K"\nnet: {}\n`],
  ["an empty section with a comment", `api: # c\n  # d\nnet: {}\n`, `api: # c\n  key: "K"\n  # d\nnet: {}\n`],
  ["an empty section at the end of the file", `net: {}\napi:`, `net: {}\napi:\n  key: "K"`],
  ["an empty section with CRLF", "api:\r\nnet: {}\r\n", `api:\r\n  key: "K"\r\nnet: {}\r\n`],
  ["an empty section with an anchor", `api: &a # c\nnet: {}\n`, `api: &a # c\n  key: "K"\nnet: {}\n`],
  ["a section that is null", `api: null # c\n`, `api: {"key": "K"} # c\n`],
  ["no section", `net: {}\n# end\n`, `net: {}\n# end\napi:\n  key: "K"\n`],
  ["no section and no line break at the end", `net: {}`, `net: {}\napi:\n  key: "K"\n`],
  ["no section and an indented root", `  net: {}\n`, `  net: {}\n  api:\n    key: "K"\n`],
  ["no section before a document end", `net: {}\n...\n`, `api:\n  key: "K"\nnet: {}\n...\n`],
  ["no section after a block that has no line break", `x: |\n  y`, `x: |\n  y\napi:\n  key: "K"\n`],
  ["an empty file", ``, `api:\n  key: "K"\n`],
  ["a file of blank lines", `\n\n`, `\n\napi:\n  key: "K"\n`],
  ["comments only", `# a\n# b`, `# a\n# b\napi:\n  key: "K"\n`],
  ["comments only with CRLF", "# a\r\n", `# a\r\napi:\r\n  key: "K"\r\n`],
  ["a byte order mark", `\ufeffapi:\n  key: x\n`, `\ufeffapi:\n  key: "K"\n`],
  ["a byte order mark and an empty section", `\ufeffapi:\n`, `\ufeffapi:\n  key: "K"\n`],
  ["a byte order mark and no section", `\ufeffnet: {}\n`, `\ufeffnet: {}\napi:\n  key: "K"\n`],
  ["a byte order mark alone", `\ufeff`, `\ufeffapi:\n  key: "K"\n`],
  ["a document mark", `---\n`, `---\napi:\n  key: "K"\n`],
  ["document marks around nothing", `---\n...\n`, `--- {"api": {"key": "K"}}\n...\n`],
  ["a document that is null", `null\n`, `{"api": {"key": "K"}}\n`],
  ["explicit keys", `? api\n: key: x\n`, `? api\n: key: "K"\n`],
  ["quoted keys", `"api":\n  'key': x\n`, `"api":\n  'key': "K"\n`],
  [
    "a merged section with a key of its own",
    `b: &b {url: x}\napi:\n  <<: *b\n  key: y\n`,
    `b: &b {url: x}\napi:\n  <<: *b\n  key: "K"\n`,
  ],
];

for (const [layout, before, after] of CASES) {
  Deno.test(`setApiKeyText() sets the key in a file with ${layout}`, () => {
    assert.equal(setApiKeyText(before, "K"), after);
    assert.equal(setApiKeyText(after, "K"), after);
  });
}

const REFUSED: readonly (readonly [content: string, text: string])[] = [
  ["an anchor that another value refers to", `api:\n  key: &a old\nx: *a\n`],
  ["a section that is an alias", `x: &a {url: y}\napi: *a\n`],
  ["a section that comes from a merge", `x: &a {api: {url: y}}\n<<: *a\n`],
  ["a section that is text", `api: text\n`],
  ["a key that is a map", `api:\n  key: {a: 1}\n`],
  ["a root that is a list", `- api\n`],
  ["a circular value", `api:\n  key: old\nx: &a {y: *a}\n`],
  ["broken YAML", `api:\n  key: "old\n`],
  ["two documents", `a: 1\n---\nb: 2\n`],
];

for (const [content, text] of REFUSED) {
  Deno.test(`setApiKeyText() refuses ${content}`, () => {
    assert.throws(() => setApiKeyText(text, "K"), ConfigError);
  });
}

Deno.test("setApiKeyText() refuses a text that cannot be a key, without showing it", () => {
  for (const key of ["", "se cret", "secret\n", "sécret", "secret\u0000", "x".repeat(5000)]) {
    assert.throws(() => setApiKeyText("", key), (error: unknown) => {
      assert(error instanceof ConfigError);
      assert.equal(error.problems[0]?.path, "api.key");
      assert(key === "" || !error.message.includes(key));
      return true;
    });
  }
});

const KEY = fc.string({
  unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
  minLength: 1,
  maxLength: 40,
});
const COMMENT = fc.constantFrom("", " # why", "\t# a: b", '  # key: "x"');
const SCALAR = fc.constantFrom(
  "x",
  `"x y"`,
  "'it''s'",
  "5",
  "true",
  "",
  "~",
  "&a x",
  "*b",
  "!!str 7",
  `"a # b"`,
  "[1, 2]",
  "{a: {b: c}}",
);
const BLOCK = fc.constantFrom("|\nI  x\nI  y", ">-\nI  x", "|+\nI  x\n", "|2-\nI  x", "x\nI  y");
const FILLER = fc.constantFrom("", "", "\n", "# note\n", "   # note\n");

/** The lines of one section; `I` is its indentation. */
const SECTION = fc.record({
  name: fc.constantFrom("api", "api", "net", `"server"`),
  style: fc.constantFrom("block", "flow", "empty"),
  fields: fc.uniqueArray(
    fc.tuple(fc.constantFrom("key", "url", "'x'"), fc.oneof(SCALAR, BLOCK), COMMENT, FILLER),
    {
      selector: ([name]) => name,
      maxLength: 3,
    },
  ),
  comment: COMMENT,
  filler: FILLER,
  indent: fc.constantFrom(1, 2, 4),
}).map(({ name, style, fields, comment, filler, indent }) => {
  if (style === "flow") {
    const pairs = fields.map(([key, value]) =>
      value.includes("\n") || /^\*/.test(value) ? key : `${key}: ${value}`
    );
    return { name, text: `${name}: {${pairs.join(", ")}}${comment}\n${filler}` };
  }
  const space = " ".repeat(indent);
  const lines = style === "empty"
    ? []
    : fields.map(([key, value, after, between]) =>
      `${space}${key}: ${value.replaceAll("I", space)}${value.includes("\n") ? "" : after}\n${between}`
    );
  return { name, text: `${name}:${comment}\n${filler}${lines.join("")}` };
});

const FILE = fc.record({
  bom: fc.boolean(),
  crlf: fc.boolean(),
  noFinalBreak: fc.boolean(),
  head: fc.constantFrom("", "# ngrokd\n", "\n# ngrokd\n\n", "---\n", "b: &b old\n"),
  sections: fc.uniqueArray(SECTION, { selector: ({ name }) => name, maxLength: 3 }),
  tail: fc.constantFrom("", "# end\n", "...\n"),
}).map(({ bom, crlf, noFinalBreak, head, sections, tail }) => {
  let text = head + sections.map((section) => section.text).join("") + tail;
  if (noFinalBreak) text = text.replace(/\n$/, "");
  if (crlf) text = text.replaceAll("\n", "\r\n");
  return (bom ? "\ufeff" : "") + text;
});

Deno.test("setApiKeyText() changes the value and no other byte in any file", () => {
  let written = 0;
  let refused = 0;
  fc.assert(
    fc.property(FILE, KEY, (text, key) => {
      const options = { merge: true, logLevel: "silent" } as const;
      let before: unknown;
      try {
        before = parse(text, { merge: true });
      } catch {
        assert.throws(() => setApiKeyText(text, key), ConfigError);
        return;
      }
      let result: string;
      try {
        result = setApiKeyText(text, key);
      } catch (error) {
        assert(error instanceof ConfigError);
        refused += 1;
        return;
      }
      written += 1;
      const quoted = JSON.stringify(key);
      const after = parse(result, options) as { api: { key: string } };
      assert.equal(after.api.key, key);
      assert.deepEqual(rest(after), rest(before));
      // One occurrence of the key has the beginning of the old text before it, and the end after
      // it.
      const positions = [...result.matchAll(new RegExp(quoted.replace(/[^\w]/g, "\\$&"), "g"))].map((match) =>
        match.index
      );
      assert(positions.some((at) => keepsTheRest(text, result, [at, at + quoted.length])), result);
      assert.equal(setApiKeyText(result, key), result);
    }),
    { seed: 2, numRuns: 400 },
  );
  assert(written > 200, `${written} written`);
  assert(refused < written / 4, `${refused} refused, ${written} written`);
});

function rest(value: unknown): unknown {
  const { api, ...others } = (value ?? {}) as { api?: object | null };
  const { key: _, ...section } = (api ?? {}) as { key?: unknown };
  return { section, others };
}

/** True if only layout around the key was added, and only the old value was removed. */
function keepsTheRest(before: string, after: string, [start, end]: [number, number]): boolean {
  let head = 0;
  while (head < start && before[head] === after[head]) head++;
  let tail = 0;
  while (
    tail < after.length - end && tail < before.length - head && before.at(-1 - tail) === after.at(-1 - tail)
  ) tail++;
  const added = after.slice(head, start) + after.slice(end, after.length - tail);
  if (!/^(?:[\s{}:,]|"?(?:api|key)"?:)*$/.test(added)) return false;
  if (head + tail === before.length) return true;
  const old = parseDocument(before, { merge: true }).getIn(["api"]) === null ? ["api"] : ["api", "key"];
  const node = parseDocument(before, { merge: true }).getIn(old, true);
  const range = isNode(node) ? node.range : undefined;
  const taken = before.slice(head, before.length - tail);
  return !!range && head >= range[0] && before.length - tail <= range[1] && !taken.endsWith("\n");
}

Deno.test("saveApiKey() replaces the file with mode 0600 and keeps its bytes", async () => {
  const path = join(await Deno.makeTempDir(), "config.yml");
  await Deno.writeTextFile(path, "\ufeff# mine\r\napi:\r\n  key: ''  # ä\r\n");
  await Deno.chmod(path, 0o644);
  await saveApiKey(path, 'ab"c', { readText, writeAtomic: writeFileAtomic });
  assert.equal(await Deno.readTextFile(path), `\ufeff# mine\r\napi:\r\n  key: "ab\\"c"  # ä\r\n`);
  assert.equal((await statPath(path))?.mode, 0o600);
});

Deno.test("saveApiKey() creates a missing file", async () => {
  const path = join(await Deno.makeTempDir(), "config.yml");
  await saveApiKey(path, "K", { readText, writeAtomic: writeFileAtomic });
  assert.equal(await Deno.readTextFile(path), `api:\n  key: "K"\n`);
  assert.equal((await statPath(path))?.mode, 0o600);
});

Deno.test("saveApiKey() refuses a file with bytes that are not UTF-8", async () => {
  const path = join(await Deno.makeTempDir(), "config.yml");
  const bytes = new Uint8Array([0x23, 0xe4, 0x0a]);
  await Deno.writeFile(path, bytes);
  await assert.rejects(saveApiKey(path, "K", { readText, writeAtomic: writeFileAtomic }), ConfigError);
  assert.deepEqual(await Deno.readFile(path), bytes);
});

Deno.test("saveApiKey() passes on the reason that the file cannot be read", async () => {
  const directory = await Deno.makeTempDir();
  await assert.rejects(saveApiKey(directory, "K", { readText, writeAtomic: writeFileAtomic }), FileError);
});
