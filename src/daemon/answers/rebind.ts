import { withConfig } from "../../config/paths.ts";
import { RequestError } from "../../control/protocol.ts";
import type { Daemon } from "../daemon.ts";

/**
 * Moves the virtual addresses to the subnet that a first start would choose now, serves the
 * endpoints there, and returns a sentence.
 *
 * @throws {RequestError} If the addresses cannot move although another network overlaps with them,
 *   or if nobody can tell.
 */
export async function rebind(daemon: Pick<Daemon, "subnetWatch" | "loop" | "live">): Promise<string> {
  const { subnetWatch, loop, live } = daemon;
  const { moved, failure } = await loop.betweenRounds(() => subnetWatch.rebind()) ?? {};
  // Also shows what is wrong if the addresses could not move.
  await loop.reconcile();
  const { subnet } = subnetWatch.report;
  if (moved !== undefined) {
    const ended = moved.ended === 1 ? "1 connection was ended" : `${moved.ended} connections were ended`;
    return `Moved the virtual addresses from ${moved.from} to ${moved.to}; ${ended}`;
  }
  if (failure !== undefined) {
    throw new RequestError(`Cannot move the virtual addresses: ${failure}`, {
      hint: "When ip works again, run: ngrokctl rebind",
    });
  }
  const { problem } = subnetWatch;
  if (problem === undefined) {
    return `The virtual addresses stay in ${subnet}: no other network overlaps with it`;
  }
  throw new RequestError(`Cannot move the virtual addresses: ${problem}`, {
    hint: subnetWatch.ruleHint ??
      `Set net.subnet to a network that nothing on this machine uses: ${
        withConfig("ngrokctl config edit", live.path)
      }`,
  });
}
