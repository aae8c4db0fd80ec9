import { HOW_TO_ALLOW, type NameVerdict } from "./verdict.ts";

/** The result of a look-up; undefined without an answer. */
export type PublicAnswer = "exists" | "missing" | "no server" | undefined;

/** The existence of a name, or of names below a wildcard's suffix, in the public DNS. */
export type PublicState = NonNullable<PublicAnswer> | "unknown";

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
  const mayShadow = `"${name}" may shadow ${shadowed}`;
  if (state === "no server") {
    const remedy = "set dns.upstream, or add the name to net.allow_names";
    return { refused: `${mayShadow}, and there is no DNS server to ask; ${remedy}` };
  }
  return { refused: `${mayShadow}: no upstream DNS server has answered yet; ${HOW_TO_ALLOW}` };
}

/** Options of {@linkcode judgePublic}. */
export interface PublicOptions {
  readonly state: PublicState;
  readonly policy: ShadowPolicy;
}
