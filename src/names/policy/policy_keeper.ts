import { getLogger } from "@logtape/logtape";
import { OnChange } from "../../lib/on_change.ts";
import { messageOf } from "../../model/errors.ts";
import { type HostsLine, linesOutside } from "../hosts/hosts_block.ts";
import { machineNames } from "./machine_names.ts";
import { NamePolicy, type NameRules } from "./name_policy.ts";
import { PublicNames, type PublicNamesOptions } from "./public_names.ts";
import { loadPublicSuffixes, needsSuffixes, type PublicSuffixes } from "./public_suffix.ts";

const log = getLogger(["ngrokd", "names"]);

/**
 * Keeps the policy for names in step with the configuration, the files of this machine and the
 * public DNS. It makes a new policy only when one of them has changed.
 */
export class PolicyKeeper {
  readonly #options: PolicyKeeperOptions;
  readonly #public: PublicNames;
  readonly #onUnreadable = { hosts: new OnChange(), resolvConf: new OnChange() };
  #hostsText: string | undefined;
  #hostsLines: readonly HostsLine[] = [];
  #hostsRevision = 0;
  #suffixes: PublicSuffixes | undefined;
  #madeFrom = "";
  #checkedFor = "";
  #policy: NamePolicy | undefined;

  constructor(options: PolicyKeeperOptions) {
    this.#options = options;
    this.#public = new PublicNames(options);
  }

  /** The policy of the last {@linkcode prepare}. */
  get policy(): NamePolicy {
    return this.#policy ??= this.#make("");
  }

  /** Makes the policy fit for these names, and starts the look-ups that they need. */
  async prepare(hostnames: readonly string[]): Promise<void> {
    if (this.#suffixes === undefined && hostnames.some(needsSuffixes)) {
      this.#suffixes = await loadPublicSuffixes();
    }
    const resolvConf = await this.#read("resolvConf", this.#options.readResolvConf) ?? "";
    await this.#readHosts();
    const madeFrom = JSON.stringify([
      this.#options.configured(),
      resolvConf,
      this.#hostsRevision,
      this.#suffixes === undefined,
      this.#public.revision,
    ]);
    if (this.#policy === undefined || madeFrom !== this.#madeFrom) this.#policy = this.#make(resolvConf);
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

  #make(resolvConf: string): NamePolicy {
    const { hostname, hostsPath, ...rest } = this.#options.configured();
    const hostsNames = new Map<string, number>();
    for (const { line, names } of this.#hostsLines) {
      for (const name of names) if (!hostsNames.has(name)) hostsNames.set(name, line);
    }
    return new NamePolicy({
      ...rest,
      machine: machineNames({ hostname, hostsLines: this.#hostsLines, resolvConf }),
      hostsNames,
      hostsPath,
      suffixes: this.#suffixes,
      publicState: (name) => this.#public.state(name),
    });
  }

  /** Reads the lines of others. Those of the last good file stay while it cannot be read. */
  async #readHosts(): Promise<void> {
    const text = await this.#read("hosts", this.#options.readHosts);
    if (text === undefined || text === this.#hostsText) return;
    this.#hostsText = text;
    const lines = linesOutside(text);
    if (lines === undefined || JSON.stringify(lines) === JSON.stringify(this.#hostsLines)) return;
    this.#hostsLines = lines;
    this.#hostsRevision++;
  }

  async #read(file: "hosts" | "resolvConf", read: () => Promise<string>): Promise<string | undefined> {
    try {
      return await read();
    } catch (error) {
      this.#onUnreadable[file].report(messageOf(error), (reason) => {
        log.warn("Cannot find the names that this machine has already: {error}", { error: reason });
      });
      return undefined;
    }
  }
}

/** Options of {@linkcode PolicyKeeper}. */
export interface PolicyKeeperOptions extends PublicNamesOptions {
  /** Returns the configured rules and the host name of this machine. */
  readonly configured: () => ConfiguredRules;
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
