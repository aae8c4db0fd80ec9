const INTERVAL_MS = 20;
const LOG_LINES = 20;

/**
 * Evaluates `done` every 20 ms until it is true; a rejection counts as false.
 *
 * @throws {Error} After `timeoutMs`.
 */
export async function waitUntil(
  what: string,
  done: () => boolean | Promise<boolean>,
  options: WaitOptions = {},
): Promise<void> {
  const { timeoutMs = 20_000, log = [], hasEnded = () => false } = options;
  const end = performance.now() + timeoutMs;
  while (!await Promise.resolve().then(done).catch(() => false)) {
    const tail = log.slice(-LOG_LINES).join("\n");
    if (hasEnded()) throw new Error(`${what}: the daemon has ended\n${tail}`);
    if (performance.now() > end) throw new Error(`${what}: not within ${timeoutMs / 1000} s\n${tail}`);
    await new Promise((resolve) => setTimeout(resolve, INTERVAL_MS));
  }
}

/** Options of {@linkcode waitUntil}. */
export interface WaitOptions {
  /** @default {20_000} */
  readonly timeoutMs?: number;
  /** Lines of which the error shows the last ones. */
  readonly log?: readonly string[];
  /** True once waiting is of no use, because the daemon has ended. */
  readonly hasEnded?: () => boolean;
}
