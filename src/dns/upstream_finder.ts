import { getLogger } from "@logtape/logtape";
import { OnChange } from "../lib/on_change.ts";
import { messageOf } from "../model/errors.ts";
import { RESOLV_CONF } from "../names/select.ts";
import { chooseUpstreams, UPLINK, type Upstreams, type UpstreamSources } from "./choose_upstreams.ts";

const log = getLogger(["ngrokd", "dns"]);

/** Finds the upstream DNS servers in the configuration and on this machine, and logs changes. */
export class UpstreamFinder {
  readonly #options: UpstreamFinderOptions;
  readonly #onServers = new OnChange();
  readonly #onLeftOut = new OnChange();
  readonly #onUnreadable = { [RESOLV_CONF]: new OnChange(), [UPLINK]: new OnChange() };

  constructor(options: UpstreamFinderOptions) {
    this.#options = options;
  }

  /** Finds the servers in order; the options are a part of {@linkcode UpstreamSources}. */
  async find(options: { configured: readonly string[]; own: readonly string[] }): Promise<Upstreams> {
    const [resolvConf, uplink] = await Promise.all([this.#read(RESOLV_CONF), this.#read(UPLINK)]);
    const { holds } = this.#options;
    const upstreams = chooseUpstreams({ ...options, resolvConf, uplink, holds });
    const { servers, from, problem, leftOut, hint } = upstreams;
    this.#onServers.report(problem ?? servers.join(" "), (text) => {
      if (problem === undefined) {
        log.info("Forwarding other DNS queries to {servers}", { servers: text, from });
      } else log.warn("Cannot forward other DNS queries: {error}", { error: problem, hint });
    });
    this.#onLeftOut.report(leftOut, (reason) => {
      log.warn("Cannot use some of the DNS servers: {error}", { error: reason, hint });
    });
    return upstreams;
  }

  async #read(path: typeof RESOLV_CONF | typeof UPLINK): Promise<string | undefined> {
    let text: string | undefined;
    let problem: string | undefined;
    try {
      text = await this.#options.files.readTextIfAny(path);
    } catch (error) {
      problem = messageOf(error);
    }
    this.#onUnreadable[path].report(problem, (reason) => {
      log.warn("Cannot find the DNS servers of this machine: {error}", { error: reason });
    });
    return text;
  }
}

/** Options of {@linkcode UpstreamFinder}. */
export interface UpstreamFinderOptions {
  readonly files: { readTextIfAny(path: string): Promise<string | undefined> };
  /** Returns true if the permission set includes a capability. */
  readonly holds: UpstreamSources["holds"];
}
