import type { NameRules } from "../../../src/names/policy/name_policy.ts";
import { loadPublicSuffixes } from "../../../src/names/policy/public_suffix.ts";

/** The rules of a machine without names, files and configuration. */
export async function nameRules(fields: Partial<NameRules> = {}): Promise<NameRules> {
  return {
    machine: { names: [], domains: [] },
    reserved: [],
    hostsNames: new Map(),
    hostsPath: "/etc/hosts",
    allowed: [],
    denied: [],
    shadowPublic: undefined,
    suffixes: await loadPublicSuffixes(),
    publicState: () => "missing",
    ...fields,
  };
}
