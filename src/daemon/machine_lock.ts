import { dirname } from "node:path";
import { getLogger } from "@logtape/logtape";
import { defaultSocketPath } from "../config/paths.ts";
import { BindError } from "../model/errors.ts";
import { HOSTS } from "../names/select.ts";
import { isLoopbackSubnet } from "../network/loopback_subnet.ts";
import type { System } from "../system/system.ts";
import type { LiveConfig } from "../config/live_config.ts";
import { hostsPath } from "./paths.ts";

const log = getLogger(["ngrokd", "daemon"]);

/** Who may open the control socket, and enter its directory. */
export const SOCKET_GROUP = "ngrokd";

/**
 * Keeps every other daemon and clean-up, whatever its socket and state directory, from the interface and the hosts file of this machine,
 * as long as this one may change them. Who lacks the right to take the lock lacks that to change them too.
 *
 * @throws {BindError} `in_use` if another ngrokd holds it.
 */
export async function lockMachine(live: LiveConfig, system: System): Promise<AsyncDisposable> {
  const nothing: AsyncDisposable = { [Symbol.asyncDispose]: () => Promise.resolve() };
  if (isLoopbackSubnet(live.current.net.subnet) && hostsPath(system) !== HOSTS) return nothing;
  const path = `${dirname(defaultSocketPath(system.operatingSystem()))}/lock`;
  try {
    return await system.holdLock(path, { group: SOCKET_GROUP });
  } catch (error) {
    if (!(error instanceof BindError) || error.reason === "in_use") throw error;
    log.info("Another ngrokd on this machine is not kept away: {reason}", { reason: error.message });
    return nothing;
  }
}
