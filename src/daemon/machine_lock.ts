import { dirname } from "node:path";
import { getLogger } from "@logtape/logtape";
import type { LiveConfig } from "../config/live_config.ts";
import { defaultSocketPath } from "../config/paths.ts";
import { isLoopbackSubnet } from "../lib/ipv4.ts";
import { BindError, type BindFailure } from "../model/errors.ts";
import { HOSTS } from "../names/select.ts";
import type { System } from "../system/system.ts";
import { listenForOwner } from "./owner_socket.ts";
import { hostsPath } from "./paths.ts";

const log = getLogger(["ngrokd", "daemon"]);

/** The group whose members may enter the directory of the control socket and open it. */
export const SOCKET_GROUP = "ngrokd";

/** The failures with which the machine-wide lock is left out. */
const NO_LOCK: ReadonlySet<BindFailure> = new Set(["denied", "not_available"]);

/**
 * Holds the control socket and the machine-wide lock, so that no daemon can start.
 *
 * @throws {BindError} `in_use` if a daemon or another clean-up is running.
 */
export async function excludeDaemons(live: LiveConfig, system: System): Promise<AsyncDisposable> {
  await using held = new AsyncDisposableStack();
  const socket = await system.listenLocal(live.current.server.socketPath, { group: SOCKET_GROUP });
  held.defer(() => socket.close());
  // Replaces and removes the socket of a killed daemon.
  (await listenForOwner(live.current.server.socketPath, system))?.close();
  held.use(await lockMachine(live, system));
  return held.move();
}

/**
 * Takes the machine-wide lock, if the configuration changes the interface or the hosts file of this
 * machine: two daemons with different sockets must not change them. A process goes on without the
 * lock if it may not take it, because it may not change the machine either, and if the machine
 * cannot have the file.
 *
 * @throws {BindError} `in_use` if another ngrokd holds the lock; `unsafe` or `other` if another
 * program has its place.
 */
export async function lockMachine(live: LiveConfig, system: System): Promise<AsyncDisposable> {
  const noLock: AsyncDisposable = { [Symbol.asyncDispose]: () => Promise.resolve() };
  if (isLoopbackSubnet(live.current.net.subnet) && hostsPath(system) !== HOSTS) return noLock;
  const path = `${dirname(defaultSocketPath(system.operatingSystem()))}/lock`;
  try {
    return await system.holdLock(path, { group: SOCKET_GROUP });
  } catch (error) {
    if (!(error instanceof BindError) || !NO_LOCK.has(error.reason)) throw error;
    log.info("Cannot take the machine-wide lock; a second ngrokd could start", { reason: error.message });
    return noLock;
  }
}
