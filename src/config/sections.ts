import { didYouMean } from "../lib/did_you_mean.ts";
import { printable } from "../lib/printable.ts";
import type { ConfigProblem } from "../model/errors.ts";
import { KEY_ENTRIES } from "./config.ts";
import type { Key } from "./key.ts";

/** The sections of the file, each with the names in it. The top level is the section "". */
export const SECTIONS: ReadonlyMap<string, ReadonlySet<string>> = findSections();

/** Returns the section of a key, and its name there. */
export function sectionOf({ name }: Key<unknown>): { readonly section: string; readonly name: string } {
  const dot = name.indexOf(".");
  return { section: name.slice(0, Math.max(dot, 0)), name: name.slice(dot + 1) };
}

/** Returns a warning for each name in the maps of the sections that is not a key. */
export function unknownKeys(maps: ReadonlyMap<string, object>): ConfigProblem[] {
  return [...maps].flatMap(([section, map]) =>
    Object.keys(map).filter((name) => !SECTIONS.get(section)!.has(name)).map((name) => warning(section, name))
  );
}

function findSections(): Map<string, Set<string>> {
  const sections = new Map([["", new Set<string>()]]);
  for (const { key } of KEY_ENTRIES) {
    const { section, name } = sectionOf(key);
    if (section !== "") sections.get("")!.add(section);
    sections.set(section, (sections.get(section) ?? new Set()).add(name));
  }
  return sections;
}

function warning(section: string, name: string): ConfigProblem {
  const near = didYouMean(name, SECTIONS.get(section)!) ?? inAnotherSection(name);
  return {
    path: printable(pathOf(section, name)),
    message: "ngrokd does not know this key and ignores it",
    ...(near === undefined ? {} : { suggestion: `Did you mean "${near}"?` }),
  };
}

/** Returns the path of a key that is in the wrong section. */
function inAnotherSection(name: string): string | undefined {
  const found = [...SECTIONS].find(([, names]) => names.has(name));
  return found === undefined ? undefined : pathOf(found[0], name);
}

function pathOf(section: string, name: string): string {
  return section === "" ? name : `${section}.${name}`;
}
