import { getLogger } from "@logtape/logtape";
import { HostsFile } from "../names/hosts/hosts_file.ts";
import type { ChangeOutcome } from "../names/outcome.ts";
import { ResolvConf } from "../names/resolver/resolv_conf.ts";
import { ResolverDir } from "../names/resolver/resolver_dir.ts";
import { CommandError } from "../model/errors.ts";
import { NftProgram } from "../network/nft_program.ts";
import { LinuxIp } from "../network/linux_ip.ts";
import { type Cidr, cidrsContain } from "../lib/ipv4.ts";
import type { System } from "../system/system.ts";
import type { Change, Journal } from "./journal.ts";

const log = getLogger(["ngrokd", "undo"]);

/**
 * Undoes changes, the newest first, and strikes each that is undone. Returns true if none is left.
 */
export async function undo(changes: readonly Change[], options: UndoOptions): Promise<boolean> {
  const { journal } = options;
  let isClean = true;
  for (const change of changes.toReversed()) {
    const { problem, hint, removed } = await undoOne(change, options);
    if (removed !== undefined) log.info("Removed {removed}", { removed });
    if (problem === undefined) await journal.strike(change);
    else {
      isClean = false;
      log.error("Problem with the undo of a change to this machine: {error}", { error: problem, hint });
    }
  }
  return isClean;
}

/** The journal of the changes, and the machine on which they were made. */
export interface UndoOptions {
  readonly journal: Journal;
  readonly system: Pick<System, "files" | "run">;
  /** The subnets in which only ngrokd gives names addresses. */
  readonly subnets: readonly Cidr[];
  /** The configured name of the interface. */
  readonly interfaceName: string;
}

interface Undone {
  readonly problem?: string | undefined;
  readonly hint?: string | undefined;
  /** The thing that was there and is removed. */
  readonly removed?: string | undefined;
}

/**
 * Undoes one change. Everything that ngrokd makes is recognised by its marker or its record, so
 * that a change which was recorded but not made, or which others undid, is nothing to undo.
 */
async function undoOne(change: Change, { system, subnets, interfaceName }: UndoOptions): Promise<Undone> {
  const { files } = system;
  switch (change.kind) {
    case "addresses": {
      const left = await new LinuxIp({ run: system.run, interfaceName }).release();
      return left === undefined ? {} : { problem: `The virtual network interface may remain: ${left}` };
    }
    case "redirects":
      return await removeRedirects(system);
    case "hosts": {
      const { kind: _, path, ...rest } = change;
      const isOwn = (address: string) => cidrsContain(subnets, address);
      return undone(await new HostsFile(path, { files, isOwn, ...rest }).withdraw(), `the names in ${path}`);
    }
    case "resolv_conf": {
      const { path } = change;
      return undone(
        await new ResolvConf(path, { files, ...change }).withdraw(),
        `the name server in ${path}`,
      );
    }
    case "resolver_dir":
      return undone(await new ResolverDir(change.path, { files }).withdraw(), `the files in ${change.path}`);
  }
}

function undone({ changed, ...outcome }: ChangeOutcome, what: string): Undone {
  return { ...outcome, removed: changed ? what : undefined };
}

async function removeRedirects({ run }: UndoOptions["system"]): Promise<Undone> {
  try {
    return await new NftProgram(run).deleteAny() ? { removed: "the redirects of held ports" } : {};
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    return {
      problem: `The redirects of held ports may remain: ${error.message}`,
      hint: "To remove them, run: nft delete table ip ngrokd",
    };
  }
}
