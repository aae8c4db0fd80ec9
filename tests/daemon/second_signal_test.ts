import assert from "node:assert/strict";
import type { LiveConfig } from "../../src/config/live_config.ts";
import { openDns } from "../../src/daemon/machine_parts.ts";
import { Shutdown } from "../../src/daemon/shutdown.ts";
import { CommandError } from "../../src/model/errors.ts";
import type { Addresses } from "../../src/network/addresses.ts";
import { realSystem, type System } from "../../src/system/system.ts";
import { Journal } from "../../src/undo/journal.ts";
import { captureLog } from "../fakes/captured_log.ts";
import { FakeMachine } from "../fakes/fake_machine.ts";

/** The longest time from the second signal to the end, in ms. A step gets 1 s. */
const END_MS = 3000;

/** Programs that hang until they are stopped or time out. */
class HangingPrograms {
  /** Resolves when the first program has been started. */
  readonly started = Promise.withResolvers<void>();

  readonly run: System["run"] = (argv, { timeoutMs, signal }) => {
    this.started.resolve();
    return new Promise((_, reject) => {
      const stop = () => {
        clearTimeout(timer);
        reject(
          new CommandError(`Cannot run "${argv.join(" ")}": stopped`, { argv, exitCode: -1, stderr: "" }),
        );
      };
      const timer = setTimeout(stop, timeoutMs);
      if (signal?.aborted) stop();
      else signal?.addEventListener("abort", stop, { once: true });
    });
  };
}

const CASES: Record<
  string,
  { readonly subnet?: string; readonly changes: readonly unknown[]; readonly code: number }
> = {
  // The undo at the start once waited for each program to time out.
  "the undo at the start": { changes: [{ kind: "addresses" }], code: 1 },
  "the creation of addresses": { subnet: "10.107.0.0/16", changes: [], code: 0 },
};

for (const [name, { subnet, changes, code }] of Object.entries(CASES)) {
  Deno.test(`runDaemon() ends soon after a second signal while ip hangs in ${name}`, async () => {
    const programs = new HangingPrograms();
    const holdLock = () => Promise.resolve({ [Symbol.asyncDispose]: () => Promise.resolve() });
    await using machine = await FakeMachine.create({
      ...(subnet === undefined ? {} : { subnet }),
      system: { operatingSystem: () => "linux", run: programs.run, holdLock },
    });
    await Deno.writeTextFile(`${machine.etc}/journal.json`, JSON.stringify({ version: 1, changes }));
    const running = machine.run();
    await programs.started.promise;
    machine.signal("SIGTERM");
    machine.signal("SIGTERM");
    const started = performance.now();
    assert.equal(await running, code);
    const took = performance.now() - started;
    assert.ok(took < END_MS, `${took} ms`);
    assert.equal(machine.logText.includes("Run: ngrokd cleanup"), code === 1);
    assert.match(machine.logText, new RegExp(`ngrokd has stopped.* clean=${code === 0}`));
  });
}

Deno.test("openDns() runs programs that end at a second signal", async () => {
  await using _logged = await captureLog();
  const programs = new HangingPrograms();
  const shutdown = new Shutdown();
  const system = {
    ...realSystem(),
    operatingSystem: () => "linux" as const,
    holds: () => true,
    run: programs.run,
  };
  const live = {
    current: { server: { clientCert: "/state/tls.crt" }, net: { interfaceName: "ngrokd0" }, dns: {} },
  } as unknown as LiveConfig;
  const addresses = { hasInterface: true } as unknown as Addresses;
  const journal = new Journal("/state/journal.json", system.files);
  const closing = openDns(addresses, { live, system, shutdown, journal, refuses: () => false }).close();
  await programs.started.promise;
  shutdown.request("SIGTERM");
  shutdown.request("SIGTERM");
  const started = performance.now();
  await closing;
  assert.ok(performance.now() - started < END_MS);
});
