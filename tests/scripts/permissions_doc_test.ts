import assert from "node:assert/strict";
import config from "../../deno.json" with { type: "json" };
import type { AddedSet, ShippedSet } from "../../scripts/permission_flags.ts";

const text = await Deno.readTextFile(new URL("../../docs/permissions.md", import.meta.url));

/** The entries of a set in the document, each after its kind. */
function documented(set: string): Set<string> {
  const section = text.split(/^## /m).find((part) => part.startsWith(`The set \`${set}\``)) ?? "";
  const rows = [...section.matchAll(/^\| ([a-z, ]+) \| (`.*?) \| /gm)];
  return new Set(rows.flatMap(([, kinds, entries]) => {
    const values = [...entries!.matchAll(/`([^`]+)`/g)].map((match) => match[1]!);
    return kinds!.replace("env, ignored", "ignored").split(", ").flatMap((kind) =>
      values.map((value) => `${kind} ${value}`)
    );
  }));
}

/** The entries of a set in deno.json, each after its kind. */
function configured(set: ShippedSet | AddedSet): Set<string> {
  const { env, ...kinds }: Record<string, unknown> = config.permissions[set];
  const { allow = [], ignore = [] } = (env ?? {}) as { allow?: string[]; ignore?: string[] };
  const lists = { ...kinds as Record<string, string[]>, env: allow, ignored: ignore };
  return new Set(
    Object.entries(lists).flatMap(([kind, values]) => values.map((value) => `${kind} ${value}`)),
  );
}

for (const set of ["ngrokd", "ngrokd_dns", "ngrokd_dns_macos", "ngrokctl"] as const) {
  Deno.test(`docs/permissions.md lists exactly the entries of the set ${set}`, () => {
    assert.deepEqual([...documented(set)].sort(), [...configured(set)].sort());
  });
}

Deno.test("docs/permissions.md names every permission set", () => {
  for (const set of Object.keys(config.permissions)) assert.ok(text.includes(`\`${set}\``), set);
});
