/**
 * Returns the value of an environment variable; undefined if it is unset, empty, or not permitted.
 */
export function readEnvironment(name: string): string | undefined {
  try {
    return Deno.env.get(name) || undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return undefined;
    throw error;
  }
}

/**
 * Reads a variable like {@linkcode readEnvironment} and removes it from this process. The runtime's
 * HTTP client reads proxy variables without permission, and they win over its options.
 */
export function takeEnvironment(name: string): string | undefined {
  const value = readEnvironment(name);
  if (value !== undefined) Deno.env.delete(name);
  return value;
}

/** Returns the operating system: `linux`, `darwin`, `windows`. */
export function operatingSystem(): string {
  return Deno.build.os;
}

/** Returns the host name of this machine. */
export function hostname(): string {
  return Deno.hostname();
}
