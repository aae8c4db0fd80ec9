import assert from "node:assert/strict";
import { onSignals } from "../../src/system/signals.ts";

/** A listener for signals does not keep the event loop alive. */
function stayAwake(): Disposable {
  const timer = setInterval(() => {}, 1000);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

Deno.test("onSignals() calls the handler with the signal's name, each time", async () => {
  using _awake = stayAwake();
  const seen: string[] = [];
  let next = Promise.withResolvers<void>();
  using _signals = onSignals(["SIGHUP", "SIGTERM"], (name) => {
    seen.push(name);
    next.resolve();
  });
  for (const name of ["SIGHUP", "SIGTERM", "SIGHUP"] as const) {
    next = Promise.withResolvers();
    Deno.kill(Deno.pid, name);
    await next.promise;
  }
  assert.deepEqual(seen, ["SIGHUP", "SIGTERM", "SIGHUP"]);
});

Deno.test("onSignals() disposed calls its handler no more; another one still does", async () => {
  using _awake = stayAwake();
  const seen: string[] = [];
  const heard = Promise.withResolvers<void>();
  using _second = onSignals(["SIGHUP"], () => heard.resolve());
  const first = onSignals(["SIGHUP"], (name) => seen.push(name));
  first[Symbol.dispose]();
  Deno.kill(Deno.pid, "SIGHUP");
  await heard.promise;
  assert.deepEqual(seen, []);
});
