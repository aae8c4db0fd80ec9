import { FileError } from "../model/errors.ts";
import { hasSection } from "../names/hosts/hosts_block.ts";
import type { Change, Journal } from "./journal.ts";

const MAX_BYTES = 16 * 1024 * 1024;

/**
 * Drops each change of a journal from disk that names a file which is not ngrokd's, so that nothing
 * there is undone. Returns one sentence for each.
 */
export async function dropForeign(journal: Journal, options: OwnFiles): Promise<string[]> {
  const problems: string[] = [];
  for (const change of journal.changes) {
    const reason = await foreignReason(change, options);
    if (reason === undefined) continue;
    problems.push(`The journal names ${pathOf(change)}, ${reason}; the entry is not used`);
    await journal.strike(change);
  }
  return problems;
}

/** The files that ngrokd changes on this machine. */
export interface OwnFiles {
  readonly hosts: readonly string[];
  readonly resolvConf: { readonly path: string; readonly backup: string };
  readonly resolverDir: string;
  readonly files: {
    /** Throws {@linkcode FileError}. */
    readBytesIfAny(path: string, maxBytes: number): Promise<Uint8Array | undefined>;
  };
}

async function foreignReason(change: Change, own: OwnFiles): Promise<string | undefined> {
  switch (change.kind) {
    case "addresses":
      return undefined;
    case "hosts":
      return own.hosts.includes(change.path) ? undefined : await hostsReason(change.path, own.files);
    case "resolv_conf":
      if (change.path !== own.resolvConf.path) return `which is not ${own.resolvConf.path}`;
      if (change.backup === own.resolvConf.backup) return undefined;
      return `with the backup ${change.backup}, which is not ${own.resolvConf.backup}`;
    case "resolver_dir":
      return change.path === own.resolverDir ? undefined : `which is not ${own.resolverDir}`;
  }
}

/** An earlier run may have had another NGROKD_HOSTS_PATH: the section identifies that file. */
async function hostsReason(path: string, files: OwnFiles["files"]): Promise<string | undefined> {
  try {
    const bytes = await files.readBytesIfAny(path, MAX_BYTES);
    if (bytes === undefined || hasSection(new TextDecoder("latin1").decode(bytes))) return undefined;
    return "which has no section of ngrokd";
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    return `which is not a hosts file of ngrokd (${error.message})`;
  }
}

function pathOf(change: Change): string {
  return "path" in change ? change.path : change.kind;
}
