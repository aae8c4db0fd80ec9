import { getLogger } from "@logtape/logtape";
import { HostsFile } from "../names/hosts/hosts_file.ts";
import { ResolvConf } from "../names/resolver/resolv_conf.ts";
import { ResolverDir } from "../names/resolver/resolver_dir.ts";
import { LinuxIp } from "../network/linux_ip.ts";
import type { System } from "../system/system.ts";
import type { Change, Journal } from "./journal.ts";

const log = getLogger(["ngrokd", "daemon"]);

/** What undoing needs of the machine. */
export type UndoSystem = Pick<System, "files" | "run">;

/** Undoes changes in reverse and strikes each that is undone; true if nothing is left of them. */
export async function undo(changes: readonly Change[], options: UndoOptions): Promise<boolean> {
  const { journal, system } = options;
  let clean = true;
  for (const change of changes.toReversed()) {
    const { problem, hint } = await undoOne(change, system);
    if (problem === undefined) await journal.strike(change);
    else {
      clean = false;
      log.error("{problem}", { problem, hint });
    }
  }
  return clean;
}

/** Where the changes are written down, and the machine that they were made on. */
export interface UndoOptions {
  readonly journal: Journal;
  readonly system: UndoSystem;
}

interface Undone {
  readonly problem?: string | undefined;
  readonly hint?: string | undefined;
}

/** What is found is told by its marks: a change that was written down and not made, or undone by others, is none. */
async function undoOne(change: Change, system: UndoSystem): Promise<Undone> {
  const { files } = system;
  switch (change.kind) {
    case "addresses": {
      const left = await new LinuxIp({ run: system.run }).release();
      return left === undefined ? {} : { problem: `Cannot remove the virtual network interface: ${left}` };
    }
    case "hosts": {
      const { path, created } = change;
      return await new HostsFile(path, { files, created }).withdraw();
    }
    case "resolv_conf":
      return await new ResolvConf(change.path, { files, backup: change.backup }).withdraw();
    case "resolver_dir":
      return await new ResolverDir(change.path, { files }).withdraw();
  }
}
