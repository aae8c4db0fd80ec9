import assert from "node:assert/strict";
import { listSources } from "../../scripts/list_sources.ts";
import { KEY_ENTRIES } from "../../src/config/config.ts";

const ROOT = new URL("../../", import.meta.url);
const COMMENTS = /\/\*\*[\s\S]*?\*\/|\/\/.*/g;
/** The ways to the configuration: the current one, or a function or parameter that holds it. */
const HAS_CONFIG = /\.current\b|\bConfig\b/;

Deno.test("Every configuration key is read outside src/config", async () => {
  const paths = (await listSources(ROOT, ["src/"])).filter((path) => !path.startsWith("src/config/"));
  const texts = await Promise.all(paths.map((path) => Deno.readTextFile(new URL(path, ROOT))));
  const readers = texts.map((text) => text.replace(COMMENTS, "")).filter((text) => HAS_CONFIG.test(text));
  const unread = KEY_ENTRIES.filter(({ path }) =>
    !readers.some((text) => path.every((name) => new RegExp(`\\b${name}\\b`).test(text)))
  );
  assert.deepEqual(unread.map(({ key }) => key.name), []);
});
