import { HOW_TO_ALLOW, type NameVerdict } from "./verdict.ts";

/** The existence of a name, or of names below a wildcard's suffix, in the public DNS. */
export type PublicState = "exists" | "missing" | "unknown";

/** `net.shadow_public`. @default Refuse wildcards, and warn about names */
export type ShadowPolicy = "refuse" | "warn" | undefined;

/** Returns true if a name or wildcard is refused until the public DNS has answered. */
export function waitsForAnswer(name: string, policy: ShadowPolicy): boolean {
  return (policy ?? (name.startsWith("*.") ? "refuse" : "warn")) === "refuse";
}

/** Decides about a name or wildcard that the public DNS could have, too. */
export function judgePublic(name: string, options: PublicOptions): NameVerdict {
  const { state, policy } = options;
  const refuses = waitsForAnswer(name, policy);
  const shadowed = name.startsWith("*.") ? "public names" : "a public name";
  const shadows = `"${name}" shadows ${shadowed}`;
  if (state === "exists") {
    if (refuses) return { refused: `${shadows}; ${HOW_TO_ALLOW}` };
    return { note: `${shadows}; if that is intended, add it to net.allow_names` };
  }
  if (state === "missing" || !refuses) return {};
  const unknown = `"${name}" may shadow ${shadowed}: no upstream DNS server has answered yet`;
  return { refused: `${unknown}; ${HOW_TO_ALLOW}` };
}

/** Options of {@linkcode judgePublic}. */
export interface PublicOptions {
  readonly state: PublicState;
  readonly policy: ShadowPolicy;
}
