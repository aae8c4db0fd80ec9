import { getLogger } from "@logtape/logtape";
import { watchFile } from "../system/watch_file.ts";
import { ControlServer } from "../control/server.ts";
import { VERSION } from "../lib/version.ts";
import { configureLog } from "../log/configure.ts";
import { hintOf, messageOf } from "../model/errors.ts";
import { withDeadline } from "../system/clock.ts";
import type { SignalName } from "../system/signals.ts";
import type { System } from "../system/system.ts";
import { parseArguments } from "./arguments.ts";
import { assemble } from "./assemble.ts";
import type { Daemon } from "./daemon.ts";
import { cleanUp } from "./clean_up.ts";
import { daemonCommands } from "./answers/commands.ts";
import { deregister } from "./deregister.ts";
import { LiveConfig, problemTexts } from "../config/live_config.ts";
import { lockMachine, SOCKET_GROUP } from "./machine_lock.ts";
import { ownNetworks } from "../network/own_networks.ts";
import { hostsPath } from "./paths.ts";
import { logProxies } from "../config/proxy/proxy_report.ts";
import { Reloader } from "./reload.ts";
import { undo } from "../undo/undo.ts";
import { Wake } from "../system/wake.ts";

const log = getLogger(["ngrokd", "daemon"]);

/** Exit codes of the daemon. */
const OK = 0;
const FAILURE = 1;
const USAGE = 2;

const DRAIN_MS = 30_000;
/** How long a second signal leaves to a round. */
const ROUND_MS = 1000;

/** Runs the daemon until a signal ends it, or does the clean-up or the deregistration; gives the exit code. */
export async function runDaemon(argv: readonly string[], system: System): Promise<number> {
  const wanted = parseArguments(argv);
  if (wanted.action === "print") {
    system.writeOut(wanted.text);
    return OK;
  }
  if (wanted.action === "usage") {
    system.writeErr(wanted.message);
    return USAGE;
  }
  configureLog({ level: wanted.verbose ? "debug" : "info", format: "text", write: system.writeOut });
  try {
    if (wanted.action === "cleanup") {
      const live = await LiveConfig.openOrDefaults(wanted.configPath, system);
      return await cleanUp(live, system) ? OK : FAILURE;
    }
    const live = await LiveConfig.open(wanted.configPath, system);
    if (wanted.action === "deregister") {
      await deregister(live, system);
      return OK;
    }
    return await serve(live, { system, verbose: wanted.verbose });
  } catch (error) {
    reportFailure(error, system);
    return FAILURE;
  }
}

interface ServeOptions {
  readonly system: System;
  readonly verbose: boolean;
}

async function serve(live: LiveConfig, options: ServeOptions): Promise<number> {
  const { system, verbose } = options;
  const stop = new AbortController();
  const signals: SignalName[] = [];
  const forced = new AbortController();
  const reloader = new Reloader(live, { system, verbose });
  using _handlers = system.onSignals(["SIGINT", "SIGTERM", "SIGHUP"], (name) => {
    if (name === "SIGHUP") return reloader.request();
    signals.push(name);
    log.info("Received {signal}, shutting down", { signal: name });
    stop.abort(new DOMException("ngrokd is shutting down", "AbortError"));
    if (signals.length > 1) forced.abort();
  });
  using _rejections = surviveRejections();
  reloader.configureLog();
  for (const warning of live.report.warnings) log.warn("Configuration: {warning}", { warning });

  // The socket comes first: it is the lock that keeps a second daemon away from state, listeners and names.
  const { socketPath } = live.current.server;
  const listener = await system.listenLocal(socketPath, { group: SOCKET_GROUP });
  let handle: ReturnType<typeof daemonCommands> = () => Promise.reject(new Error("ngrokd is starting"));
  await using _control = new ControlServer(listener, {
    handle: (command, args, signal) => handle(command, args, signal),
  });

  await using _machine = await lockMachine(live, system);
  // A second signal does not wait for a program that hangs.
  const run: System["run"] = (argv, options) => system.run(argv, { signal: forced.signal, ...options });
  const daemon = await assemble(live, { ...system, run });
  handle = daemonCommands(daemon, { system, reload: () => reloader.reload() });
  try {
    return await runAssembled(daemon, { ...options, stop, forced: forced.signal, reloader });
  } catch (error) {
    // Whatever goes on beside this would make again what is undone.
    stop.abort();
    await daemon.names.withdraw();
    await daemon.dns.close();
    await daemon.forwarder[Symbol.asyncDispose]();
    await daemon.dialer[Symbol.asyncDispose]();
    await daemon.addresses.close();
    await undo(daemon.journal.changes, { journal: daemon.journal, system });
    throw error;
  }
}

interface RunningOptions extends ServeOptions {
  readonly stop: AbortController;
  readonly forced: AbortSignal;
  readonly reloader: Reloader;
}

async function runAssembled(daemon: Daemon, options: RunningOptions): Promise<number> {
  const { system, stop, forced, reloader } = options;
  const { live } = daemon;
  const { socketPath, healthAddress, healthPort } = live.current.server;
  log.info("ngrokd {version} is running", { version: VERSION, config: live.path, socket: socketPath });
  logProxies(live);
  for (const problem of daemon.stateProblems) log.error("Saved state has a problem: {problem}", { problem });
  await daemon.addresses.prepare(live.current.net.subnet);
  await daemon.health.listen({ address: healthAddress, port: healthPort });
  await reloader.start(daemon, stop.signal);
  // What another program does to our names is put right in seconds, not at the next poll.
  const hostsWatch = await watchFile(hostsPath(system), {
    stat: system.files.statTarget,
    onChange: () => daemon.loop.reconcile(),
    signal: stop.signal,
  });
  if (live.apiKey.key === "") log.warn("Waiting for an API key: run ngrokctl set-api-key -");

  const loops = Promise.all([
    daemon.loop.run(stop.signal),
    daemon.dns.run(stop.signal),
    daemon.renewals.run(stop.signal),
    wakeOf(daemon, system).run(stop.signal),
  ]);
  await Promise.race([loops, whenAborted(stop.signal)]);
  return await shutDown(daemon, { loops, forced, reloader, hostsWatch, system });
}

function wakeOf(daemon: Daemon, system: System): Wake {
  return new Wake({
    networks: () =>
      ownNetworks(system.interfaceAddresses(), {
        interfaceName: daemon.live.current.net.interfaceName,
        subnet: daemon.addresses.subnet,
      }),
    onWake() {
      system.dropHttpConnections();
      // Before the dials, which look anew.
      daemon.dialer.probe.retry();
      daemon.forwarder.retryIngress();
      daemon.loop.wake();
      // After the poll's, which the loop makes anew: a renewal, which the poll would have to wait for.
      daemon.requests.breakOff();
      void daemon.loop.reconcile();
    },
    ...system.wakeLook,
  });
}

interface ShutDownOptions {
  readonly loops: Promise<unknown>;
  readonly forced: AbortSignal;
  readonly reloader: Reloader;
  readonly hostsWatch: AsyncDisposable;
  readonly system: System;
}

/** Names go first, so that nobody finds a door that is closing; running connections may end for up to 30 s. */
async function shutDown(daemon: Daemon, options: ShutDownOptions): Promise<number> {
  const { loops, forced, reloader, hostsWatch, system } = options;
  const rounds = Promise.all([loops, reloader.stop(), hostsWatch[Symbol.asyncDispose]()]);
  const force = whenAborted(forced);
  await Promise.race([rounds, force]);
  // After a second signal too a round that is writing files comes to its end, unless it hangs.
  const late = () => new Error("Cannot wait any longer: a round is under way");
  await withDeadline(rounds, { ms: ROUND_MS, onTimeout: late }).catch((error: unknown) => {
    log.warn("{reason}", { reason: messageOf(error) });
  });
  await daemon.names.withdraw();
  await daemon.dns.close();
  const open = daemon.forwarder.openConnections;
  if (open > 0) log.info("Waiting for running connections", { count: open, seconds: DRAIN_MS / 1000 });
  const drained = open === 0 ||
    await Promise.race([daemon.forwarder.drain(DRAIN_MS), force.then(() => false)]);
  await daemon.forwarder[Symbol.asyncDispose]();
  await daemon.dialer[Symbol.asyncDispose]();
  await withDeadline(daemon.addresses.close(), { ms: ROUND_MS, onTimeout: late }).catch(() => {});
  // Names are gone already, or could not be taken away: that is tried once more.
  const clean = await undo(daemon.journal.changes, { journal: daemon.journal, system });
  if (!clean) log.error("Not all could be taken away: run ngrokd cleanup");
  await daemon.health.close();
  log.info("ngrokd has stopped", { drained });
  return drained && clean ? OK : FAILURE;
}

function whenAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

/** Any unhandled rejection would end the process: a fault in one handler costs a line of the log instead. */
function surviveRejections(): Disposable {
  function onRejection(event: PromiseRejectionEvent): void {
    event.preventDefault();
    log.error("A fault in ngrokd was survived: {error}", {
      error: messageOf(event.reason),
      stack: stackOf(event.reason),
    });
  }
  globalThis.addEventListener("unhandledrejection", onRejection);
  return { [Symbol.dispose]: () => globalThis.removeEventListener("unhandledrejection", onRejection) };
}

function stackOf(error: unknown): string | undefined {
  return error instanceof Error ? error.stack : undefined;
}

/** `Error: …` on standard error for people and scripts, the same in the log for those who look there. */
function reportFailure(error: unknown, system: System): void {
  const hint = hintOf(error);
  system.writeErr(`Error: ${messageOf(error)}\n`);
  if (problemTexts(error).length > 1) {
    for (const problem of problemTexts(error)) system.writeErr(`  ${problem}\n`);
  }
  if (hint !== undefined) system.writeErr(`${hint}\n`);
}
