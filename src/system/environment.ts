/** The value of an environment variable; undefined if it is unset, empty, or not in the permission set. */
export function readEnvironment(name: string): string | undefined {
  try {
    return Deno.env.get(name) || undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return undefined;
    throw error;
  }
}

/** The system that this runs on. */
export function operatingSystem(): string {
  return Deno.build.os;
}

/** What this machine calls itself. */
export function hostname(): string {
  return Deno.hostname();
}
