import type { HostsNames } from "./hosts_names.ts";
import type { PublicState, ShadowPolicy } from "./judge_public.ts";
import type { MachineNames } from "./machine_names.ts";
import type { PublicSuffixes } from "./public_suffix.ts";

/** Everything that a policy for names depends on. */
export interface NameRules {
  readonly machine: MachineNames;
  /** The hosts that the daemon connects to by its configuration, besides those of every ngrokd. */
  readonly reserved: readonly string[];
  readonly hostsNames: HostsNames;
  readonly hostsPath: string;
  /** `net.allow_names` and `net.deny_names`: host names and `*.suffix`. */
  readonly allowed: readonly string[];
  readonly denied: readonly string[];
  readonly shadowPublic: ShadowPolicy;
  /** Undefined as long as no name needs the list. */
  readonly suffixes: PublicSuffixes | undefined;
  readonly publicState: (name: string) => PublicState;
}
