/** An abort controller, and the number of listeners on its signal. */
export function countedSignal(): { readonly stop: AbortController; readonly listeners: () => number } {
  const stop = new AbortController();
  let count = 0;
  const { addEventListener, removeEventListener } = stop.signal;
  stop.signal.addEventListener = (...args: unknown[]) => {
    count++;
    Reflect.apply(addEventListener, stop.signal, args);
  };
  stop.signal.removeEventListener = (...args: unknown[]) => {
    count--;
    Reflect.apply(removeEventListener, stop.signal, args);
  };
  return { stop, listeners: () => count };
}
