import FakeTimers from "@sinonjs/fake-timers";

/** Time that only a test moves, until it is disposed. */
export interface FakeClock extends Disposable {
  /** Moves time and lets everything that hangs on it run. */
  readonly pass: (ms: number) => Promise<void>;
}

/** Takes timers and clocks over; it is `now` then. */
export function fakeClock(now = 0): FakeClock {
  const clock = FakeTimers.install({ now, toFake: ["setTimeout", "clearTimeout", "performance", "Date"] });
  return {
    async pass(ms) {
      await clock.tickAsync(ms);
    },
    [Symbol.dispose]: () => clock.uninstall(),
  };
}
