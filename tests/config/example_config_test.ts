import assert from "node:assert/strict";
import { DEFAULTS, KEY_ENTRIES } from "../../src/config/config.ts";
import { loadConfig } from "../../src/config/load.ts";
import { sectionOf } from "../../src/config/sections.ts";
import { withKeyTable } from "../../scripts/write_docs.ts";

const EXAMPLE = await Deno.readTextFile(new URL("../../config.example.yml", import.meta.url));
/** A key that is a comment; documentation has a space after its "#". */
const COMMENTED_KEY = /^( *)#(?=\S)/gm;

for (
  const [state, text] of [["unchanged", EXAMPLE], ["uncommented", EXAMPLE.replace(COMMENTED_KEY, "$1")]]
) {
  Deno.test(`config.example.yml ${state} equals the defaults, without a warning`, async () => {
    const { config, warnings } = await loadConfig("x", { readText: () => Promise.resolve(text!) });
    assert.deepEqual({ config, warnings }, { config: DEFAULTS, warnings: [] });
  });
}

Deno.test("config.example.yml has every key with one line of documentation", () => {
  const pairs = [...EXAMPLE.matchAll(/^ *# .+\n *#([a-zA-Z_]+):/gm)].map((match) => match[1]);
  assert.deepEqual(pairs, KEY_ENTRIES.map(({ key }) => sectionOf(key).name));
});

Deno.test("withKeyTable() replaces the table between the markers and refuses a text without them", () => {
  const [begin, end] = ["<!-- Keys: written by deno task docs -->\n", "<!-- End of keys -->\n"];
  const once = withKeyTable(`a\n${begin}old\n${end}b\n`);
  assert.match(once, /^a\n<!-- Keys.*\n\| key .*\n(\|.*\n)+<!-- End of keys -->\nb\n$/);
  assert.equal(withKeyTable(once), once);
  for (const text of ["", begin, end + begin, begin + end + begin + end]) {
    assert.throws(() => withKeyTable(text), SyntaxError);
  }
});
