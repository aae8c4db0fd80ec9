import { dirname } from "node:path";
import { latin1Text } from "../lib/latin1.ts";
import { FileError, type FileFailure } from "../model/errors.ts";
import type { ReplaceFileSystem } from "../names/replace_file.ts";
import { hasOwnLines } from "../names/hosts/hosts_block.ts";
import { MAX_HOSTS_BYTES } from "../names/hosts/hosts_file.ts";
import type { Change, HostsChange, Journal } from "./journal.ts";

/** The failures that show that a file is no hosts file. All others may pass. */
const NO_HOSTS_FILE: ReadonlySet<FileFailure> = new Set(["not_regular", "too_large"]);

/**
 * Drops each change of a journal from disk that names a file which is not ngrokd's, so that nothing
 * there is undone. An entry stays if its file cannot be read now. Returns one sentence for each.
 */
export async function dropForeign(journal: Journal, options: OwnFiles): Promise<string[]> {
  const problems: string[] = [];
  for (const change of journal.changes) {
    const { reason, mayBeOwn = false } = await examine(change, options);
    if (reason === undefined) continue;
    const fate = mayBeOwn ? "the entry stays" : "the entry is not used";
    problems.push(`The journal names ${pathOf(change)}, ${reason}; ${fate}`);
    if (!mayBeOwn) await journal.strike(change);
  }
  return problems;
}

/** The files that ngrokd changes on this machine. */
export interface OwnFiles {
  readonly hosts: readonly string[];
  readonly resolvConf: { readonly path: string; readonly backup: string };
  /** Undefined if the operating system has none. */
  readonly resolverDir: string | undefined;
  readonly files: Pick<ReplaceFileSystem, "readBytesIfAny" | "realPath" | "checkDirectory">;
}

interface Examined {
  /** Undefined if the file is ngrokd's. */
  readonly reason?: string;
  /** @default {false} */
  readonly mayBeOwn?: boolean;
}

async function examine(change: Change, own: OwnFiles): Promise<Examined> {
  switch (change.kind) {
    case "addresses":
    case "redirects":
      return {};
    case "hosts":
      return own.hosts.includes(change.path) ? {} : await examineHosts(change, own.files);
    case "resolv_conf":
      if (change.path !== own.resolvConf.path) return { reason: `which is not ${own.resolvConf.path}` };
      if (change.backup === own.resolvConf.backup) return {};
      return { reason: `with the backup ${change.backup}, which is not ${own.resolvConf.backup}` };
    case "resolver_dir":
      if (own.resolverDir === undefined) return { reason: "which only macOS has" };
      return change.path === own.resolverDir ? {} : { reason: `which is not ${own.resolverDir}` };
  }
}

/** An earlier run may have had another NGROKD_HOSTS_PATH: ngrokd's lines identify that file. */
async function examineHosts(change: HostsChange, files: OwnFiles["files"]): Promise<Examined> {
  const { path, written } = change;
  try {
    const bytes = await files.readBytesIfAny(path, MAX_HOSTS_BYTES);
    if (bytes === undefined) return {};
    const own = { written: new Set(written), shared: new Set<string>(), isOwn: () => false };
    if (!hasOwnLines(latin1Text(bytes), own)) {
      return { reason: "which has no section of ngrokd" };
    }
    for (const file of new Set([path, await files.realPath(path)])) await files.checkDirectory(dirname(file));
    return {};
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    const { message, reason } = error;
    if (reason === "unsafe") return { reason: `which others can replace (${message})` };
    if (NO_HOSTS_FILE.has(reason)) return { reason: `which is not a hosts file of ngrokd (${message})` };
    return { reason: `which cannot be checked (${message})`, mayBeOwn: true };
  }
}

function pathOf(change: Change): string {
  return "path" in change ? change.path : change.kind;
}
