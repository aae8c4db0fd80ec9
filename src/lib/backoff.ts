/** How long to wait after failures: `baseMs` doubled at each one, at most `maxMs`. */
export interface BackoffOptions {
  readonly baseMs: number;
  readonly maxMs: number;
  /** The part of the delay that is drawn at random: 0 none, 1 all of it ("full jitter"). @default {0} */
  readonly jitter?: number;
  /** A number in [0, 1). @default {Math.random} */
  readonly random?: () => number;
}

/**
 * The delay in milliseconds before try number `failures + 1`; `failures` counts from 1.
 *
 * @throws {RangeError} If `failures` is below 1.
 */
export function backoffDelay(failures: number, options: BackoffOptions): number {
  const { baseMs, maxMs, jitter = 0, random = Math.random } = options;
  if (failures < 1) throw new RangeError(`Cannot compute a back-off: failures is ${failures}`);
  const whole = Math.min(maxMs, baseMs * 2 ** Math.min(failures - 1, 30));
  return Math.round(whole * (1 - jitter) + whole * jitter * random());
}
