import { close } from "node:inspector";

const ADDRESS = { hostname: "127.0.0.1", port: 9229 };
/** The interval at which a port that another program holds is tried again. */
const RETRY_MS = 1000;

/**
 * Keeps the runtime's inspector closed, which SIGUSR1 opens at 127.0.0.1:9229: every local user
 * could run code in this process there (docs/runtime.md Files and processes). It closes one that is
 * open already, and occupies the port, without which the runtime cannot open another one: closing
 * it after the signal comes too late. It does so although the signal may be blocked, which the
 * process cannot see.
 */
export function keepInspectorClosed(): Disposable {
  // Without a listener the signal ends a process that is younger than half a second.
  const ignore = () => {};
  Deno.addSignalListener("SIGUSR1", ignore);
  close();
  let listener: Deno.Listener | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  hold();
  return {
    [Symbol.dispose]() {
      clearTimeout(timer);
      listener?.close();
      Deno.removeSignalListener("SIGUSR1", ignore);
    },
  };

  function hold(): void {
    try {
      listener = Deno.listen(ADDRESS);
    } catch {
      // Nor can the runtime listen there while another program does.
      timer = setTimeout(hold, RETRY_MS);
    }
  }
}
