import assert from "node:assert/strict";
import { onSignals } from "../../src/system/signals.ts";

/** Keeps the event loop alive, which a signal listener does not. */
function stayAwake(): Disposable {
  const timer = setInterval(() => {}, 1000);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

Deno.test("onSignals() calls the handler with the name of each signal", async () => {
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

Deno.test("onSignals() calls no handler after it is disposed; another one still works", async () => {
  using _awake = stayAwake();
  const seen: string[] = [];
  const received = Promise.withResolvers<void>();
  using _second = onSignals(["SIGHUP"], () => received.resolve());
  const first = onSignals(["SIGHUP"], (name) => seen.push(name));
  first[Symbol.dispose]();
  Deno.kill(Deno.pid, "SIGHUP");
  await received.promise;
  assert.deepEqual(seen, []);
});
