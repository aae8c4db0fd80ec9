import { getLogger } from "@logtape/logtape";
import { cidrContains, parseIpv4 } from "../../lib/ipv4.ts";
import { Mutex } from "../../lib/mutex.ts";
import { CommandError, FileError } from "../../model/errors.ts";
import type { OwnInterface } from "../../model/own_interface.ts";
import { listenerKey } from "../../model/route_table.ts";
import { toText } from "../managed_file.ts";
import type { ChangeOutcome } from "../outcome.ts";
import { RepairLimit } from "../repair_limit.ts";
import { isStub, readNameservers } from "./resolv_conf_text.ts";
import { type LinkSettings, Resolvectl, type RunProgram } from "./resolvectl.ts";
import type { DnsServerAddress, Resolver, ResolverOutcome, ResolverRequest } from "./resolver.ts";
import { fitDomains, refusedNames, routingDomains } from "./routing_domains.ts";

const log = getLogger(["ngrokd", "names"]);

const DNS_PORT = 53;

/** The most domains that systemd-resolved accepts for a link (LINK_SEARCH_DOMAINS_MAX). */
const MAX_DOMAINS = 256;

/** systemd-resolved learns of a new interface with some delay, so the first attempts are quick. */
const QUICK_ATTEMPTS = 3;

/** The pause before each later attempt: every attempt empties the caches of systemd-resolved. */
const RETRY_MS = 5 * 60_000;

const MAX_BYTES = 1024 * 1024;

/**
 * Settings of our own interface by which systemd-resolved sends queries for our domains to our DNS
 * server. They disappear with the interface, so that a crash leaves nothing. The server must have
 * an address of that interface, because systemd-resolved reaches it over no other.
 */
export class Resolved implements Resolver {
  readonly kind = "systemd_resolved";
  readonly #options: ResolvedOptions;
  readonly #resolvectl: Resolvectl;
  readonly #now: () => number;
  readonly #repairs: RepairLimit;
  readonly #mutex = new Mutex();
  /** "perhaps": an earlier run may have left settings. */
  #isSet: "perhaps" | "yes" | "no" = "perhaps";
  /** The settings that were made and are used, to notice their loss. */
  #settings: LinkSettings | undefined;
  #unused: { readonly link: string; readonly attempts: number; readonly until: number } | undefined;

  constructor(options: ResolvedOptions) {
    this.#options = options;
    this.#resolvectl = new Resolvectl(options.run);
    this.#now = options.now ?? (() => performance.now());
    this.#repairs = new RepairLimit(this.#now);
  }

  get label(): string {
    return `systemd-resolved (${this.#options.link()?.name ?? "no interface"})`;
  }

  async apply({ server, domains: names }: ResolverRequest): Promise<ResolverOutcome> {
    const routing = routingDomains(names);
    const { domains, left } = fitDomains(routing.domains, MAX_DOMAINS);
    const reason = `systemd-resolved accepts only ${MAX_DOMAINS} domains for an interface`;
    const tooMany = refusedNames(names, new Map(left.map((domain) => [domain, reason])));
    const outcome = await this.#mutex.run(() =>
      domains.length === 0 ? this.#withdraw() : attempt(() => this.#apply(server, domains))
    );
    return { ...outcome, refused: new Map([...routing.refused, ...tooMany]) };
  }

  async withdraw(): Promise<ResolverOutcome> {
    return { ...await this.#mutex.run(() => this.#withdraw()), refused: new Map() };
  }

  async #apply(server: DnsServerAddress, domains: readonly string[]): Promise<Partial<ChangeOutcome>> {
    const own = this.#options.link();
    const refusal = await this.#refuse(server, own);
    if (own === undefined || refusal !== undefined) {
      const { changed } = await this.#withdraw();
      return { changed, problem: `Cannot use systemd-resolved: ${refusal}` };
    }
    const link = own.name;
    const wanted: LinkSettings = {
      link,
      servers: [server.port === DNS_PORT ? server.address : listenerKey(server.address, server.port)],
      domains: domains.map((domain) => `~${domain}`),
    };
    const isPresent = isSame(await this.#resolvectl.read(link), wanted);
    const wasMade = this.#settings !== undefined && isSame(this.#settings, wanted);
    if (isPresent && wasMade) return {};
    const isLost = wasMade && !isPresent;
    if (isLost && !this.#repairs.take()) {
      return {
        problem: `Cannot use systemd-resolved: another program keeps changing its settings of ${link}`,
      };
    }
    this.#isSet = "yes";
    this.#settings = undefined;
    if (!isPresent) await this.#resolvectl.set(wanted);
    // Settings of an earlier run are checked too, because it may have ended before this check.
    if (!await this.#resolvectl.isUsed(link)) {
      const attempts = this.#unused?.link === link ? this.#unused.attempts + 1 : 1;
      const pauseMs = attempts < QUICK_ATTEMPTS ? 0 : RETRY_MS;
      this.#unused = { link, attempts, until: this.#now() + pauseMs };
      await this.#withdraw();
      return { problem: `Cannot use systemd-resolved: ${unusedReason(link)}` };
    }
    this.#unused = undefined;
    this.#settings = wanted;
    if (isLost) log.warn("Restored the settings of {interface} in systemd-resolved", { interface: link });
    return { changed: !isPresent };
  }

  /**
   * Returns the reason why systemd-resolved cannot be used. It can be if programs ask it first: if
   * resolv.conf, itself or as a symlink to a file of systemd-resolved, begins with an address of
   * systemd-resolved.
   */
  async #refuse(server: DnsServerAddress, link: OwnInterface | undefined): Promise<string | undefined> {
    const { resolvConf, files } = this.#options;
    const text = toText(await files.readBytesIfAny(resolvConf, MAX_BYTES));
    const first = readNameservers(text)[0];
    if (first === undefined) return `${resolvConf} names no DNS server`;
    if (!isStub(first)) return `${resolvConf} names ${first} first`;
    if (link === undefined) return "there is no virtual network interface";
    const address = parseIpv4(server.address);
    if (address === undefined || !cidrContains(link.subnet, address)) {
      return `ngrokd's DNS server at ${server.address} is not reachable through ${link.name}`;
    }
    const isPaused = this.#unused?.link === link.name && this.#now() < this.#unused.until;
    return isPaused ? unusedReason(link.name) : undefined;
  }

  async #withdraw(): Promise<ChangeOutcome> {
    const link = this.#options.link()?.name;
    const outcome = await attempt(async () => {
      // The settings of a removed interface are gone with it.
      if (this.#isSet === "no" || link === undefined) return {};
      const { servers, domains } = await this.#resolvectl.read(link);
      if (servers.length === 0 && domains.length === 0) return {};
      await this.#resolvectl.revert(link);
      return { changed: true };
    });
    // If this run has set nothing, a failure most likely means that there is no systemd-resolved.
    if (outcome.problem !== undefined && this.#isSet === "yes") return outcome;
    this.#settings = undefined;
    this.#isSet = "no";
    return { ...outcome, problem: undefined, hint: undefined };
  }
}

/** Options of {@linkcode Resolved}. */
export interface ResolvedOptions {
  readonly run: RunProgram;
  readonly files: { readBytesIfAny(path: string, maxBytes: number): Promise<Uint8Array | undefined> };
  /** The path of resolv.conf. */
  readonly resolvConf: string;
  /** Called each time; undefined without an interface of our own (`lo` accepts no settings). */
  readonly link: () => OwnInterface | undefined;
  /** Milliseconds that never run backwards. @default {performance.now} */
  readonly now?: () => number;
}

async function attempt(step: () => Promise<Partial<ChangeOutcome>>): Promise<ChangeOutcome> {
  try {
    return { changed: false, ...await step() };
  } catch (error) {
    if (!(error instanceof CommandError) && !(error instanceof FileError)) throw error;
    return { changed: false, problem: error.message, hint: error.hint };
  }
}

function isSame(a: LinkSettings, b: LinkSettings): boolean {
  return a.link === b.link && a.servers.join(" ") === b.servers.join(" ") &&
    [...a.domains].sort().join(" ") === [...b.domains].sort().join(" ");
}

/**
 * Returns the reason for a link that has no carrier, or no address of a scope wider than `link`.
 */
function unusedReason(link: string): string {
  return `it sends no queries through ${link}`;
}
