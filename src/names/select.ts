import { HostsFile, type HostsFileOptions } from "./hosts_file.ts";
import { NoNames } from "./no_names.ts";
import type { NamePublisher } from "./publisher.ts";

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
