import { getLogger } from "@logtape/logtape";
import { OnChange } from "../lib/on_change.ts";
import { messageOf } from "../model/errors.ts";
import { RESOLV_CONF } from "../names/select.ts";
import { chooseUpstreams, UPLINK, type Upstreams } from "./choose_upstreams.ts";

const log = getLogger(["ngrokd", "dns"]);

/** Finds the upstream DNS servers in the configuration and on this machine, and logs changes. */
export class UpstreamFinder {
  readonly #files: UpstreamFiles;
  readonly #onServers = new OnChange();
  readonly #onUnreadable = { [RESOLV_CONF]: new OnChange(), [UPLINK]: new OnChange() };

  constructor(files: UpstreamFiles) {
    this.#files = files;
  }

  /** Finds the servers in order; the options are a part of {@linkcode UpstreamSources}. */
  async find(options: { configured: readonly string[]; own: readonly string[] }): Promise<Upstreams> {
    const [resolvConf, uplink] = await Promise.all([this.#read(RESOLV_CONF), this.#read(UPLINK)]);
    const upstreams = chooseUpstreams({ ...options, resolvConf, uplink });
    const { servers, from } = upstreams;
    this.#onServers.report(servers.join(" "), (list) => {
      if (servers.length > 0) log.info("Forwarding other DNS queries to {servers}", { servers: list, from });
      else log.warn("Cannot forward other DNS queries: {from} names this server only", { from });
    });
    return upstreams;
  }

  async #read(path: typeof RESOLV_CONF | typeof UPLINK): Promise<string> {
    let text: string | undefined;
    let problem: string | undefined;
    try {
      text = await this.#files.readTextIfAny(path);
    } catch (error) {
      problem = messageOf(error);
    }
    this.#onUnreadable[path].report(problem, (reason) => {
      log.warn("Cannot find the DNS servers of this machine: {error}", { error: reason });
    });
    return text ?? "";
  }
}

interface UpstreamFiles {
  readTextIfAny(path: string): Promise<string | undefined>;
}
