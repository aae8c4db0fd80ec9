import type { OwnInterface } from "../model/own_interface.ts";
import { HostsFile, type HostsFileOptions } from "./hosts/hosts_file.ts";
import { NoNames } from "./hosts/no_names.ts";
import { NO_RECORD } from "./hosts/own_lines.ts";
import type { NamePublisher } from "./hosts/publisher.ts";
import type { ReplaceFileSystem } from "./replace_file.ts";
import { NoResolver } from "./resolver/no_resolver.ts";
import { ResolvConf, type ResolvConfChange } from "./resolver/resolv_conf.ts";
import type { RunProgram } from "./resolver/resolvectl.ts";
import { Resolved } from "./resolver/resolved.ts";
import { ResolverChain } from "./resolver/resolver_chain.ts";
import { ResolverDir, type ResolverDirFiles } from "./resolver/resolver_dir.ts";

/** The hosts file of Linux and macOS. */
export const HOSTS = "/etc/hosts";

/** The file that names the DNS servers of a machine (resolv.conf(5)). */
export const RESOLV_CONF = "/etc/resolv.conf";

/** The directory in which macOS has the DNS servers of single domains (resolver(5)). */
export const RESOLVER_DIR = "/etc/resolver";

/** The sets are chosen at the start, when no name needed the DNS server yet. */
const RESTART =
  "restart ngrokd by its launcher, which adds the set ngrokd_dns now that names need the DNS server: ngrokd run";

/** Chooses the hosts file, or no publisher if the permission set does not allow writing it. */
export function choosePublisher(options: PublisherOptions): NamePublisher {
  const { path, mayWrite, ...rest } = options;
  if (mayWrite(path)) return new HostsFile(path, rest);
  const { isOwn = NO_RECORD.isOwn } = rest;
  return new NoNames(`Cannot write ${path}: the permission set does not allow it`, { ...NO_RECORD, isOwn });
}

/** Options of {@linkcode choosePublisher}. */
export interface PublisherOptions extends HostsFileOptions {
  /** The path of the hosts file. */
  readonly path: string;
  /** Returns true if the permission set allows writing a file. */
  readonly mayWrite: (path: string) => boolean;
}

/**
 * Chooses systemd-resolved on Linux, or resolv.conf if that fails; /etc/resolver on macOS; nothing
 * elsewhere, or without the permission set for it.
 */
export function chooseResolver(options: ResolverOptions): ResolverChain {
  const { os, resolvConf = RESOLV_CONF, resolverDir = RESOLVER_DIR } = options;
  const path = os === "darwin" ? resolverDir : resolvConf;
  if (!options.mayWrite(path)) {
    const reason = options.managed()
      ? `Cannot write ${path}: the permission set does not allow it; ${RESTART}`
      : `dns.manage_resolv_conf does not allow changes to ${path}; to use systemd-resolved, ${RESTART}`;
    return new ResolverChain([new NoResolver(reason)]);
  }
  if (os === "darwin") return new ResolverChain([new ResolverDir(resolverDir, options)]);
  if (os !== "linux") {
    return new ResolverChain([
      new NoResolver(`Cannot make this machine use ngrokd's DNS server: not supported on ${os}`),
    ]);
  }
  return new ResolverChain([new Resolved({ ...options, resolvConf }), new ResolvConf(resolvConf, options)]);
}

/** Options of {@linkcode chooseResolver}. */
export interface ResolverOptions {
  /** The name of the operating system in Deno. */
  readonly os: string;
  readonly run: RunProgram;
  /** Returns true if the permission set allows writing a file. */
  readonly mayWrite: (path: string) => boolean;
  readonly files: ReplaceFileSystem & ResolverDirFiles;
  /** The interface with the virtual addresses; undefined if there is none, or it is `lo`. */
  readonly link: () => OwnInterface | undefined;
  /** Returns true if resolv.conf may be changed (`dns.manage_resolv_conf`). */
  readonly managed: () => boolean;
  /** The address of the DNS server that an earlier run wrote into resolv.conf, if it is known. */
  readonly server?: string | undefined;
  /** The address before it, if that run may have failed to replace it. */
  readonly earlier?: string | undefined;
  /** The path of the copy of the original resolv.conf. */
  readonly backup: string;
  /** Called before a change that outlives this process. */
  readonly record?: (
    change: ResolvConfChange | { kind: "resolver_dir"; path: string },
  ) => Promise<boolean>;
  /** @default {RESOLV_CONF} */
  readonly resolvConf?: string;
  /** @default {RESOLVER_DIR} */
  readonly resolverDir?: string;
}
