import FakeTimers from "@sinonjs/fake-timers";

/** Timers and clocks that only a test moves, until it is disposed. */
export interface FakeClock extends Disposable {
  /** Advances time and runs everything that is due. */
  readonly pass: (ms: number) => Promise<void>;
  /** Advances time as code that computes does. */
  readonly spend: (ms: number) => void;
  /**
   * Sets the date, in milliseconds since the epoch; timers and `performance.now()` do not notice.
   */
  readonly setDate: (ms: number) => void;
  /** The number of timers that have not fired. */
  readonly timers: () => number;
}

/** Replaces timers, `Date` and `performance.now()`. `now` is the first date. */
export function fakeClock(now = 0): FakeClock {
  const clock = FakeTimers.install({ now, toFake: ["setTimeout", "clearTimeout", "performance", "Date"] });
  return {
    async pass(ms) {
      await clock.tickAsync(ms);
    },
    spend: (ms) => void clock.tick(ms),
    setDate: (ms) => clock.setSystemTime(ms),
    timers: () => clock.countTimers(),
    [Symbol.dispose]: () => clock.uninstall(),
  };
}
