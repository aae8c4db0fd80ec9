import { getLogger } from "@logtape/logtape";
import { ownerSocketPath } from "../config/paths.ts";
import { messageOf } from "../model/errors.ts";
import type { LocalListener } from "../system/local_socket.ts";
import type { System } from "../system/system.ts";

const log = getLogger(["ngrokd", "daemon"]);

/**
 * Opens the control socket of root and the daemon's user, beside the one that the group may open.
 * Undefined if it cannot be opened; ngrokctl uses the other one then.
 */
export async function listenForOwner(
  controlSocket: string,
  system: Pick<System, "listenLocal">,
): Promise<LocalListener | undefined> {
  try {
    return await system.listenLocal(ownerSocketPath(controlSocket));
  } catch (error) {
    log.warn("Cannot open a control socket for root alone: {error}", {
      error: messageOf(error),
      hint: "See docs/permissions.md",
    });
    return undefined;
  }
}
