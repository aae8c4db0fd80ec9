import { didYouMean } from "../lib/did_you_mean.ts";
import { printable } from "../lib/printable.ts";
import type { ConfigProblem } from "../model/errors.ts";

/** The names of the keys: at the top level, and below each section. */
export type KeyNames = Readonly<Record<string, readonly string[]>>;

/** A warning for each key that the daemon does not know; `sections` maps each section to its keys, `""` to the top level's. */
export function unknownKeys(raw: unknown, sections: KeyNames): ConfigProblem[] {
  const warnings: ConfigProblem[] = [];
  for (const section of Object.keys(sections)) {
    const part = section === "" ? raw : ownValue(raw, section);
    if (typeof part !== "object" || part === null || Array.isArray(part)) continue;
    for (const key of Object.keys(part)) {
      if (!sections[section]!.includes(key)) warnings.push(unknownKey(key, section, sections));
    }
  }
  return warnings;
}

function unknownKey(key: string, section: string, sections: KeyNames): ConfigProblem {
  const near = didYouMean(key, sections[section]!) ?? elsewhere(key, sections);
  return {
    path: printable(section === "" ? key : `${section}.${key}`),
    message: "ngrokd does not know this key and ignores it",
    ...(near === undefined ? {} : { suggestion: `Did you mean "${near}"?` }),
  };
}

/** The path of a key that stands in the wrong section. */
function elsewhere(key: string, sections: KeyNames): string | undefined {
  const home = Object.keys(sections).find((section) => sections[section]!.includes(key));
  return home === undefined ? undefined : home === "" ? key : `${home}.${key}`;
}

function ownValue(value: unknown, key: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
  return (value as Record<string, unknown>)[key];
}
