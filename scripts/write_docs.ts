// Writes the reference of the configuration keys into docs/configuration.md, config.example.yml,
// and the tables of docs/reliability.md. With --check it compares instead.
import { KEY_ENTRIES } from "../src/config/config.ts";
import { AREAS, type Key } from "../src/config/key.ts";
import { sectionOf } from "../src/config/sections.ts";
import { writeErr, writeOut } from "../src/system/terminal.ts";
import { environmentTable } from "./hostile/environments.ts";
import { fileTable } from "./hostile/file_table.ts";
import { hostileNamesTable } from "./hostile/name_table.ts";
import { withTable } from "./with_table.ts";

const ROOT = new URL("../", import.meta.url);
const KEYS = "Keys";
const ENVIRONMENTS = "Hostile environments";
const FILES = "Hostile files";
const NAMES = "Hostile names";
const HEAD = "| key | values | default | effect of a change | meaning |\n|---|---|---|---|---|\n";
const INTRODUCTION =
  `# Every key of ngrokd with its default value. Copy this file to /etc/ngrokd/config.yml and remove the "#"
# before a key to change its value. Written by: deno task docs
`;

/** The keys as a Markdown table. */
export function keyTable(): string {
  const rows = KEY_ENTRIES.map(({ key }) => {
    const value = defaultText(key);
    const cells = [`\`${key.name}\``, key.type.values, value === "" ? "none" : `\`${value}\``];
    return `| ${[...cells, AREAS[key.area], key.doc].join(" | ")} |\n`;
  });
  return HEAD + rows.join("");
}

/** A configuration file in which every key is a comment with its default. */
export function exampleConfig(): string {
  let text = INTRODUCTION;
  let current = "";
  for (const { key } of KEY_ENTRIES) {
    const { section, name } = sectionOf(key);
    if (section !== current || section === "") text += "\n";
    if (section !== current && section !== "") text += `${section}:\n`;
    current = section;
    const indent = section === "" ? "" : "  ";
    const comment = `${key.doc} (${key.type.values}).`.replaceAll("`", "");
    text += `${indent}# ${comment}\n${indent}#${`${name}: ${defaultText(key)}`.trim()}\n`;
  }
  return text;
}

/** The text with the table of keys between the markers. */
export function withKeyTable(text: string): string {
  return withTable(text, { name: KEYS, table: keyTable() });
}

/** The default as YAML; empty for a key that has none. */
function defaultText({ type, default: value }: Key<unknown>): string {
  const written = type.write === undefined ? value : type.write(value);
  if (Array.isArray(written)) return `[${written.map((item) => JSON.stringify(item)).join(", ")}]`;
  return JSON.stringify(written) ?? "";
}

async function main(): Promise<number> {
  const [option, ...rest] = Deno.args;
  if (rest.length > 0 || (option !== undefined && option !== "--check")) {
    writeErr("Usage: deno task docs, or deno task docs --check to compare only\n");
    return 2;
  }
  const tables = [
    { name: NAMES, table: await hostileNamesTable() },
    { name: ENVIRONMENTS, table: environmentTable() },
    { name: FILES, table: fileTable() },
  ];
  const files: readonly (readonly [path: string, edit: (text: string) => string])[] = [
    ["docs/configuration.md", withKeyTable],
    ["config.example.yml", exampleConfig],
    ["docs/reliability.md", (text) => tables.reduce(withTable, text)],
  ];
  let success = true;
  for (const [path, edit] of files) {
    const url = new URL(path, ROOT);
    const text = await Deno.readTextFile(url).catch(() => "");
    const wanted = edit(text);
    if (wanted === text) continue;
    if (option === "--check") {
      writeErr(`${path} differs from its source: run deno task docs\n`);
      success = false;
    } else {
      await Deno.writeTextFile(url, wanted);
      writeOut(`Wrote ${path}\n`);
    }
  }
  return success ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main());
