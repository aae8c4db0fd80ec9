/** The signals that the daemon and the client handle. */
export type SignalName = "SIGHUP" | "SIGPROF" | typeof ENDING_SIGNALS[number];

/**
 * The signals that ask a process to end. Of the others that would end it, SIGUSR1 has
 * `keepInspectorClosed()`, SIGPROF is the profiler's, and the rest reports a fault of the process
 * itself or cannot be handled.
 */
export const ENDING_SIGNALS = [
  ...["SIGINT", "SIGTERM", "SIGQUIT", "SIGUSR2", "SIGALRM", "SIGVTALRM"] as const,
  ...["SIGXCPU", "SIGXFSZ", "SIGIO", "SIGPWR", "SIGSTKFLT"] as const,
];

/** They exist on Linux, or end a process, only there. */
const ONLY_LINUX: readonly SignalName[] = ["SIGIO", "SIGPWR", "SIGSTKFLT"];

/** Calls `handler` at each of the signals until the result is disposed. */
export function onSignals(names: readonly SignalName[], handler: (name: SignalName) => void): Disposable {
  const known = names.filter((name) => Deno.build.os === "linux" || !ONLY_LINUX.includes(name));
  const listeners = known.map((name) => ({ name, listener: () => handler(name) }));
  for (const { name, listener } of listeners) Deno.addSignalListener(name, listener);
  return {
    [Symbol.dispose]() {
      for (const { name, listener } of listeners) Deno.removeSignalListener(name, listener);
    },
  };
}
