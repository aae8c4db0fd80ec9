/**
 * Returns the delay in milliseconds after `failures` failures in a row, counted from 1.
 *
 * @throws {RangeError} If `failures` is below 1.
 */
export function backoffDelay(failures: number, options: BackoffOptions): number {
  const { baseMs, maxMs, jitter = 0, random = Math.random } = options;
  if (failures < 1) throw new RangeError(`Cannot compute a back-off: failures is ${failures}`);
  const whole = Math.min(maxMs, baseMs * 2 ** Math.min(failures - 1, 30));
  return Math.round(whole * (1 - jitter) + whole * jitter * random());
}

/** Options of {@linkcode backoffDelay}: `baseMs` is doubled at each failure up to `maxMs`. */
export interface BackoffOptions {
  readonly baseMs: number;
  readonly maxMs: number;
  /** The random part of the delay, from 0 to 1 ("full jitter"). @default {0} */
  readonly jitter?: number;
  /** A number in [0, 1). @default {Math.random} */
  readonly random?: () => number;
}
