const LIMIT_MS = 30_000;

/** Waits until the condition holds. @throws {Error} After 30 s. */
export async function until(condition: () => boolean): Promise<void> {
  const end = Date.now() + LIMIT_MS;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`After ${LIMIT_MS} ms this does not hold: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/**
 * Waits until nobody listens on the port: a connection in the moment of the close is still queued,
 * and reset.
 */
export async function untilRefused(port: number, hostname = "127.0.0.1"): Promise<void> {
  for (;;) {
    try {
      (await Deno.connect({ hostname, port })).close();
    } catch (error) {
      if (error instanceof Deno.errors.ConnectionRefused) return;
      if (!(error instanceof Deno.errors.ConnectionReset)) throw error;
    }
  }
}
