/** The value of an environment variable; undefined if it is unset, empty, or not in the permission set. */
export function readEnvironment(name: string): string | undefined {
  try {
    return Deno.env.get(name) || undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return undefined;
    throw error;
  }
}

/**
 * As {@linkcode readEnvironment}, and takes the variable off this process: the runtime's HTTP client reads those that name proxies by
 * itself, without permission, and goes where they say whatever it was told.
 */
export function takeEnvironment(name: string): string | undefined {
  const value = readEnvironment(name);
  if (value !== undefined) Deno.env.delete(name);
  return value;
}

/** The system that this runs on. */
export function operatingSystem(): string {
  return Deno.build.os;
}

/** What this machine calls itself. */
export function hostname(): string {
  return Deno.hostname();
}
