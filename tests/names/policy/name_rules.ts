import { HostsNames, indexNames } from "../../../src/names/policy/hosts_names.ts";
import type { NameRules } from "../../../src/names/policy/name_rules.ts";
import { loadPublicSuffixes } from "../../../src/names/policy/public_suffix.ts";

/** The rules of a machine without names, files and configuration. */
export async function nameRules(fields: Partial<NameRules> = {}): Promise<NameRules> {
  return {
    machine: { names: [], domains: [], searchDomains: [] },
    reserved: [],
    hostsNames: new HostsNames(indexNames([])),
    hostsPath: "/etc/hosts",
    allowed: [],
    denied: [],
    shadowPublic: undefined,
    suffixes: await loadPublicSuffixes(),
    publicState: () => "missing",
    ...fields,
  };
}
