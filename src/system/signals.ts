/** The signals that the daemon and the client handle. */
export type SignalName = "SIGINT" | "SIGTERM" | "SIGHUP";

/** Calls `handler` at each of the signals until the result is disposed. */
export function onSignals(names: readonly SignalName[], handler: (name: SignalName) => void): Disposable {
  const listeners = names.map((name) => ({ name, listener: () => handler(name) }));
  for (const { name, listener } of listeners) Deno.addSignalListener(name, listener);
  return {
    [Symbol.dispose]() {
      for (const { name, listener } of listeners) Deno.removeSignalListener(name, listener);
    },
  };
}
