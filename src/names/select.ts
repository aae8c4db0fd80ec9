import { HostsFile, type HostsFileOptions } from "./hosts/hosts_file.ts";
import { NoNames } from "./hosts/no_names.ts";
import { NoResolver } from "./resolver/no_resolver.ts";
import type { NamePublisher } from "./hosts/publisher.ts";
import type { HostsFileSystem } from "./replace_file.ts";
import { ResolvConf } from "./resolver/resolv_conf.ts";
import { type OwnLink, Resolved, type RunProgram } from "./resolver/resolved.ts";
import { ResolverChain } from "./resolver/resolver_chain.ts";
import { ResolverDir, type ResolverDirFiles } from "./resolver/resolver_dir.ts";

/** Where names are read on every machine that this program runs on, Windows excepted. */
export const HOSTS = "/etc/hosts";

/** What the choice depends on. */
export interface PublisherOptions extends HostsFileOptions {
  /** The hosts file to keep our section in. */
  readonly path: string;
  /** Whether the permission set lets us write a file. */
  readonly mayWrite: (path: string) => boolean;
}

/** The publisher for this machine: the hosts file, or none where the permission set does not hold it. */
export function choosePublisher(options: PublisherOptions): NamePublisher {
  const { path, mayWrite, ...rest } = options;
  if (mayWrite(path)) return new HostsFile(path, rest);
  return new NoNames(`Names are not published: the permission set does not allow to write ${path}`);
}

/** The file that names the DNS servers of a machine (resolv.conf(5)). */
export const RESOLV_CONF = "/etc/resolv.conf";

/** Where macOS looks for the DNS servers of single domains (resolver(5)). */
export const RESOLVER_DIR = "/etc/resolver";

/** What the choice of a resolver depends on. */
export interface ResolverOptions {
  /** As Deno names it. */
  readonly os: string;
  readonly run: RunProgram;
  readonly files: HostsFileSystem & ResolverDirFiles;
  /** The interface of our own, on which the virtual addresses are; undefined if there is none, or it is `lo`. */
  readonly link: () => OwnLink | undefined;
  /** Whether resolv.conf is ours to change: what `dns.manage_resolv_conf` says, and where it is silent, true in network mode. */
  readonly managed: () => boolean;
  /** Where the original resolv.conf is kept meanwhile. */
  readonly backup: string;
  /** Called before anything is changed that outlives this process. */
  readonly record?: (
    change: { kind: "resolv_conf"; path: string; backup: string } | { kind: "resolver_dir"; path: string },
  ) => Promise<void>;
  /** Milliseconds that never run backwards. @default {performance.now} */
  readonly now?: () => number;
  /** @default {RESOLV_CONF} */
  readonly resolvConf?: string;
  /** @default {RESOLVER_DIR} */
  readonly resolverDir?: string;
}

/** How this machine comes to ask our DNS server: systemd-resolved before resolv.conf, macOS's directory, or not at all. */
export function chooseResolver(options: ResolverOptions): ResolverChain {
  const { os, resolvConf = RESOLV_CONF, resolverDir = RESOLVER_DIR } = options;
  if (os === "darwin") return new ResolverChain([new ResolverDir(resolverDir, options)]);
  if (os !== "linux") {
    return new ResolverChain([
      new NoResolver(`Nothing makes this machine ask our DNS server: ngrokd cannot on ${os}`),
    ]);
  }
  return new ResolverChain([new Resolved({ ...options, resolvConf }), new ResolvConf(resolvConf, options)]);
}
