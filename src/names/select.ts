import { HostsFile } from "./hosts_file.ts";
import { NoNames } from "./no_names.ts";
import type { NamePublisher } from "./publisher.ts";
import type { HostsFileSystem } from "./replace_file.ts";

/** What the choice depends on. */
export interface PublisherOptions {
  /** The hosts file to keep our section in, from `NGROKD_HOSTS_PATH`. */
  readonly hostsPath?: string | undefined;
  readonly files: HostsFileSystem;
}

/** The publisher for this machine: the hosts file that was named, or none. */
export function choosePublisher(options: PublisherOptions): NamePublisher {
  const { hostsPath, files } = options;
  if (hostsPath === undefined) return new NoNames("Names are not published: NGROKD_HOSTS_PATH is not set");
  return new HostsFile(hostsPath, { files });
}
