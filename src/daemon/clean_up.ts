import { getLogger } from "@logtape/logtape";
import { choosePublisher } from "../names/select.ts";
import { LinuxIp } from "../network/linux_ip.ts";
import type { System } from "../system/system.ts";
import type { LiveConfig } from "./live_config.ts";

const log = getLogger(["ngrokd", "daemon"]);

/**
 * Takes away what a daemon that was killed left on this machine: our section of the hosts file, our interface and routes, the socket. All of
 * it is recognised by our own marks, so nothing needs to be remembered. True if nothing is left.
 *
 * @throws {BindError} If a daemon is running: it cleans up after itself.
 */
export async function cleanUp(live: LiveConfig, system: System): Promise<boolean> {
  const { server, net } = live.current;
  // The socket is the lock: as long as it is held here, no daemon starts in the middle of this.
  const lock = await system.listenLocal(server.socketPath);
  try {
    const hostsPath = system.readEnvironment("NGROKD_HOSTS_PATH");
    const { problem, hint } = await choosePublisher({ hostsPath, files: system.files }).withdraw();
    if (problem !== undefined) log.error("{problem}", { problem, hint });
    if (system.operatingSystem() === "linux") {
      await new LinuxIp({ run: system.run, interfaceName: net.interfaceName }).release();
    }
    if (problem === undefined) log.info("Nothing of ngrokd is left in names and addresses");
    return problem === undefined;
  } finally {
    lock.close();
  }
}
