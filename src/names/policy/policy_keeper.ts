import { getLogger } from "@logtape/logtape";
import { withoutWildcard } from "../../lib/hostname.ts";
import { OnChange } from "../../lib/on_change.ts";
import { messageOf } from "../../model/errors.ts";
import type { OwnLines } from "../hosts/own_lines.ts";
import { RESOLV_CONF } from "../select.ts";
import { waitsForAnswer } from "./judge_public.ts";
import { type MachineNames, machineNames } from "./machine_names.ts";
import { NamePolicy } from "./name_policy.ts";
import type { NameRules } from "./name_rules.ts";
import { PublicNames, type PublicNamesOptions } from "./public_names.ts";
import { loadPublicSuffixes, needsSuffixes, type PublicSuffixes, UNKNOWN_SUFFIXES } from "./public_suffix.ts";
import { UserHosts } from "./user_hosts.ts";

const log = getLogger(["ngrokd", "names"]);

/**
 * Keeps the policy for names in step with the configuration, the files of this machine and the
 * public DNS. It makes a new policy only when one of them has changed.
 */
export class PolicyKeeper {
  readonly #options: PolicyKeeperOptions;
  readonly #public: PublicNames;
  readonly #onUnreadable = { hosts: new OnChange(), resolvConf: new OnChange() };
  readonly #hosts = new UserHosts();
  /** The last content that could be read. */
  #resolvConf = "";
  #machine: { readonly madeFrom: string; readonly names: MachineNames } | undefined;
  #suffixes: PublicSuffixes | undefined;
  #madeFrom = "";
  #checkedFor = "";
  #policy: NamePolicy | undefined;

  constructor(options: PolicyKeeperOptions) {
    this.#options = options;
    this.#public = new PublicNames({
      ...options,
      domainOf: (name) => this.#suffixes?.registrableDomain(withoutWildcard(name)) ?? name,
      isAwaited: (name) => waitsForAnswer(name, options.configured().shadowPublic),
    });
  }

  /** The policy of the last {@linkcode prepare}. */
  get policy(): NamePolicy {
    return this.#policy ??= this.#make();
  }

  /** Makes the policy fit for these names, and starts the look-ups that they need. */
  async prepare(hostnames: readonly string[]): Promise<void> {
    if (this.#suffixes === undefined && hostnames.some(needsSuffixes)) {
      this.#suffixes = await this.#loadSuffixes();
    }
    this.#resolvConf = await this.#read("resolvConf", this.#options.readResolvConf) ?? this.#resolvConf;
    const hosts = await this.#read("hosts", this.#options.readHosts);
    if (hosts !== undefined) this.#hosts.update(hosts, this.#options.own());
    const madeFrom = JSON.stringify([
      this.#options.configured(),
      this.#resolvConf,
      this.#hosts.revision,
      this.#suffixes === undefined,
      this.#public.revision,
    ]);
    if (this.#policy === undefined || madeFrom !== this.#madeFrom) this.#policy = this.#make();
    this.#madeFrom = madeFrom;
    const names = hostnames.join();
    if (`${this.#policy.revision} ${names}` === this.#checkedFor) return this.#public.retry();
    this.#checkedFor = `${this.#policy.revision} ${names}`;
    const { policy } = this;
    this.#public.want(hostnames.filter((name) => policy.needsLookUp(name)));
  }

  /** Waits for the look-ups that run. */
  close(): Promise<void> {
    return this.#public.close();
  }

  async #loadSuffixes(): Promise<PublicSuffixes> {
    const { loadSuffixes = loadPublicSuffixes } = this.#options;
    try {
      return await loadSuffixes();
    } catch (error) {
      const hint = "Install ngrokd again and restart it, or list the wildcards in net.allow_names";
      log.error("Cannot load the public suffix list: {error}", { error: messageOf(error), hint });
      return UNKNOWN_SUFFIXES;
    }
  }

  #make(): NamePolicy {
    const { hostname, hostsPath, ...rest } = this.#options.configured();
    return new NamePolicy({
      ...rest,
      machine: this.#machineNames(hostname),
      hostsNames: this.#hosts.names,
      hostsPath,
      suffixes: this.#suffixes,
      publicState: (name) => this.#public.state(name),
    });
  }

  #machineNames(hostname: string): MachineNames {
    const resolvConf = this.#resolvConf;
    const { lines: hostsLines, linesRevision } = this.#hosts;
    const madeFrom = JSON.stringify([hostname, resolvConf, linesRevision]);
    if (this.#machine?.madeFrom !== madeFrom) {
      this.#machine = { madeFrom, names: machineNames({ hostname, hostsLines, resolvConf }) };
    }
    return this.#machine.names;
  }

  /** Returns undefined if the file is unreadable: the names of its last content stay refused. */
  async #read(file: "hosts" | "resolvConf", read: () => Promise<string>): Promise<string | undefined> {
    try {
      return await read();
    } catch (error) {
      this.#onUnreadable[file].report(messageOf(error), (reason) => {
        const { hostsPath } = this.#options.configured();
        const path = file === "hosts" ? hostsPath : RESOLV_CONF;
        log.warn("Refusing names by the last known content of {path}: {error}", { path, error: reason });
      });
      return undefined;
    }
  }
}

/** Options of {@linkcode PolicyKeeper}. */
export interface PolicyKeeperOptions extends Pick<PublicNamesOptions, "lookUp" | "onChange"> {
  /** Returns the configured rules and the host name of this machine. */
  readonly configured: () => ConfiguredRules;
  /** Returns the record of ngrokd's lines in the hosts file. */
  readonly own: () => OwnLines;
  /** Loads the public suffix list. @default {loadPublicSuffixes} */
  readonly loadSuffixes?: () => Promise<PublicSuffixes>;
  /** Reads the hosts file; empty if it is missing. */
  readonly readHosts: () => Promise<string>;
  /** Reads resolv.conf; empty if it is missing. */
  readonly readResolvConf: () => Promise<string>;
}

/** The rules that need no file of this machine. */
export interface ConfiguredRules
  extends Pick<NameRules, "reserved" | "allowed" | "denied" | "shadowPublic" | "hostsPath"> {
  readonly hostname: string;
}
