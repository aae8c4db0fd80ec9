import { getLogger } from "@logtape/logtape";
import type { LiveConfig } from "../config/live_config.ts";
import { logProxies } from "../config/proxy/proxy_report.ts";
import { type CommandHandler, ControlServer } from "../control/server.ts";
import { GET_KEY } from "../lib/key_page.ts";
import { VERSION } from "../lib/version.ts";
import { messageOf } from "../model/errors.ts";
import { ownNetworks } from "../network/own_networks.ts";
import { ENDING_SIGNALS } from "../system/signals.ts";
import type { System } from "../system/system.ts";
import { Wake } from "../system/wake.ts";
import { daemonCommands, type RunCommand } from "./answers/commands.ts";
import { assemble } from "./assemble.ts";
import type { Daemon, Surroundings } from "./daemon.ts";
import { DRAIN } from "./data_path_parts.ts";
import { lockMachine, SOCKET_GROUP } from "./machine_lock.ts";
import { listenForOwner } from "./owner_socket.ts";
import { watchRedirects } from "./redirect_watch.ts";
import { Reloader } from "./reload.ts";
import { Shutdown, whenAborted } from "./shutdown.ts";
import { watchNameFiles } from "./watch_name_files.ts";

const log = getLogger(["ngrokd", "daemon"]);

/**
 * Runs the daemon until a signal stops it. Returns true if all changes to this machine were undone
 * and no part failed to end. A connection that was cut is no failure.
 *
 * @throws If a part cannot start, after all others have been closed.
 */
export async function serve(live: LiveConfig, options: ServeOptions): Promise<boolean> {
  const { system } = options;
  const shutdown = new Shutdown();
  const reloader = new Reloader(live, options);
  using _signals = system.onSignals(["SIGHUP", "SIGPROF", ...ENDING_SIGNALS], (name) => {
    if (name === "SIGHUP") reloader.request();
    // The profiler of the runtime sends SIGPROF a thousand times a second.
    else if (name !== "SIGPROF") shutdown.request(name);
  });
  using _rejections = logUnhandledRejections();
  {
    await using _ends = shutdown;
    await start({ live, system, shutdown }, reloader);
  }
  const { unfinished } = shutdown;
  const drained = !unfinished.includes(DRAIN);
  const clean = unfinished.every((action) => action === DRAIN);
  log.info("ngrokd has stopped", { drained, clean });
  return clean;
}

/** Options of {@linkcode serve}. */
export interface ServeOptions {
  readonly system: System;
  /** Logs at level debug, whatever the configuration says. */
  readonly verbose: boolean;
}

/** Starts the daemon and waits until it must end. */
async function start(surroundings: Surroundings, reloader: Reloader): Promise<void> {
  const { live, system, shutdown } = surroundings;
  const { signal } = shutdown;
  const { socketPath, healthAddress, healthPort } = live.current.server;
  reloader.configureLog();
  for (const warning of live.report.warnings) log.warn("Configuration problem: {error}", { error: warning });

  // The socket comes first: it is the lock that keeps a second daemon away from state, listeners
  // and names.
  const listener = await system.listenLocal(socketPath, { group: SOCKET_GROUP });
  let run: RunCommand = () => Promise.reject(new Error("ngrokd is starting"));
  const handler: CommandHandler = { handle: (command, args, signal) => run(command, args, signal) };
  const control = new ControlServer(listener, handler);
  shutdown.add("close the control socket", () => control[Symbol.asyncDispose]());
  const ownerListener = await listenForOwner(socketPath, system);
  if (ownerListener !== undefined) {
    const ownerControl = new ControlServer(ownerListener, handler);
    shutdown.add("close the control socket of root", () => ownerControl[Symbol.asyncDispose]());
  }
  const lock = await lockMachine(live, system);
  shutdown.add("release the machine-wide lock", () => lock[Symbol.asyncDispose]());

  const daemon = await assemble(surroundings);
  run = daemonCommands(daemon, { system, reload: () => reloader.reload() });
  log.info("ngrokd {version} is running", { version: VERSION, config: live.path, socket: socketPath });
  logProxies(live);
  for (const problem of [...daemon.stateProblems, ...daemon.stateNotes]) {
    log.error("Saved state has a problem: {error}", { error: problem });
  }
  await daemon.addresses.prepare(live.current.net.subnet);
  await daemon.health.listen({ address: healthAddress, port: healthPort });
  const running: (() => PromiseLike<unknown>)[] = [() => reloader.stop()];
  shutdown.addWait("finish the running round", async () => {
    const results = await Promise.allSettled(running.map((end) => end()));
    for (const result of results) if (result.status === "rejected") throw result.reason;
  });
  await reloader.start(daemon, signal);
  const watches = await watchNameFiles(daemon, { system, signal });
  running.push(() => watches[Symbol.asyncDispose]());
  if (live.apiKey.key === "") {
    log.warn("Waiting for an API key: run ngrokctl set-api-key", { hint: GET_KEY });
  }

  const wake = wakeOf(daemon, system);
  const loops = [daemon.loop, daemon.dns, daemon.renewals, wake].map((part) => part.run(signal));
  loops.push(watchRedirects(daemon, signal));
  running.push(...loops.map((loop) => () => loop));
  await Promise.race([Promise.all(loops), whenAborted(signal)]);
}

function wakeOf(daemon: Daemon, system: System): Wake {
  return new Wake({
    networks: () =>
      ownNetworks(system.interfaceAddresses(), {
        name: daemon.live.current.net.interfaceName,
        subnet: daemon.addresses.subnet,
      }),
    onWake() {
      system.dropHttpConnections();
      system.forgetAddresses();
      // Before the new dials, which probe the ingress again.
      daemon.dialer.probe.retry();
      daemon.ingressChoice.retryNow();
      daemon.forwarder.retryIngress();
      daemon.loop.wake();
      // After the loop's own request: ends a renewal, which the poll would wait for.
      daemon.requests.cancelAll();
      void daemon.loop.reconcile();
    },
    ...system.wakeOptions,
  });
}

/** Logs unhandled rejections, which would end the process: an error in one handler must not. */
function logUnhandledRejections(): Disposable {
  function onRejection(event: PromiseRejectionEvent): void {
    event.preventDefault();
    const { reason } = event;
    log.error("Unhandled error; ngrokd keeps running: {error}", {
      error: messageOf(reason),
      stack: reason instanceof Error ? reason.stack : undefined,
    });
  }
  globalThis.addEventListener("unhandledrejection", onRejection);
  return { [Symbol.dispose]: () => globalThis.removeEventListener("unhandledrejection", onRejection) };
}
