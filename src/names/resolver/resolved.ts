import { Buffer } from "node:buffer";
import { type Cidr, cidrContains, parseIpv4 } from "../../lib/ipv4.ts";
import { Mutex } from "../../lib/mutex.ts";
import { CommandError, FileError, messageOf } from "../../model/errors.ts";
import { RepairLimit } from "../repair_limit.ts";
import { isStub, readNameservers } from "./resolv_conf_text.ts";
import { hasDnsScope, parseLinkValues } from "./resolvectl_output.ts";
import {
  type DnsServer,
  type Resolver,
  type ResolverOutcome,
  type ResolverRequest,
  serverText,
} from "./resolver.ts";
import { fitDomains, routingDomains } from "./routing_domains.ts";

/** By absolute path, so that no `PATH` decides what runs. */
export const RESOLVECTL = "/usr/bin/resolvectl";

const TIMEOUT_MS = 5000;

const DNS_PORT = 53;

/** How many domains systemd-resolved takes for a link (LINK_SEARCH_DOMAINS_MAX). */
const MAX_DOMAINS = 256;

/** systemd-resolved may not yet have heard of an interface that was just made. */
const QUICK_TRIES = 3;

/** After those, an interface of no use is not tried again sooner: each try empties the caches of systemd-resolved. */
const RETRY_MS = 5 * 60_000;

const MAX_BYTES = 1024 * 1024;

/** Runs a program to its end. @throws {CommandError} If it fails or takes too long. */
export type RunProgram = (
  argv: readonly [string, ...string[]],
  options: { timeoutMs: number },
) => Promise<{ readonly stdout: string }>;

/** The interface of our own. */
export interface OwnLink {
  readonly name: string;
  /** All whose addresses are this machine's, by way of this interface. */
  readonly subnet: Cidr;
}

/** What {@linkcode Resolved} is made with. */
export interface ResolvedOptions {
  readonly run: RunProgram;
  readonly files: { readBytesIfAny(path: string, maxBytes: number): Promise<Uint8Array | undefined> };
  /** The resolv.conf of this machine. */
  readonly resolvConf: string;
  /** Asked each time; undefined if there is none, or only `lo`, for which systemd-resolved takes no settings. */
  readonly link: () => OwnLink | undefined;
  /** Milliseconds that never run backwards. @default {performance.now} */
  readonly now?: () => number;
}

/**
 * Has systemd-resolved ask our DNS server about our domains, by settings of our own interface. They go when the interface goes, so that a
 * crash leaves nothing. The server must have an address of that interface: systemd-resolved sends by way of no other.
 */
export class Resolved implements Resolver {
  readonly kind = "systemd_resolved";
  readonly off = undefined;
  readonly #options: ResolvedOptions;
  readonly #now: () => number;
  readonly #repairs: RepairLimit;
  #saidLeft = "";
  readonly #turns = new Mutex();
  /** Whether something of ours stands; perhaps an earlier run left it. */
  #stands: "perhaps" | "yes" | "no" = "perhaps";
  /** What was set as a whole, to tell when it is lost. */
  #left: Standing | undefined;
  #useless: { readonly link: string; readonly tries: number; readonly until: number } | undefined;

  constructor(options: ResolvedOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#repairs = new RepairLimit(this.#now);
  }

  get target(): string {
    return `systemd-resolved (${this.#options.link()?.name ?? "no interface"})`;
  }

  async observe(): Promise<ReadonlyMap<string, string> | undefined> {
    const link = this.#options.link();
    if (link === undefined) return undefined;
    try {
      const { servers, domains } = await this.#look(link.name);
      return new Map(domains.map((domain) => [domain.replace(/^~/, ""), servers.join(" ")]));
    } catch (error) {
      if (error instanceof CommandError) return undefined;
      throw error;
    }
  }

  apply(wish: ResolverRequest): Promise<ResolverOutcome> {
    const { domains: all, refused } = routingDomains(wish.domains);
    const { domains, left } = fitDomains(all, MAX_DOMAINS);
    return this.#turns.run(async () => {
      const outcome = domains.length === 0
        ? await this.#withdraw()
        : await this.#try(() => this.#apply(wish.server, domains));
      const reason = `systemd-resolved takes ${MAX_DOMAINS} domains for an interface`;
      const isNews = left.length > 0 && left.join() !== this.#saidLeft;
      this.#saidLeft = left.join();
      return {
        ...outcome,
        refused: new Map([...refused, ...left.map((domain) => [domain, reason] as const)]),
        warnings: isNews
          ? [
            ...outcome.warnings,
            `${reason}: ${left.length} more are not asked of ngrokd, such as ${left[0]}`,
          ]
          : outcome.warnings,
      };
    });
  }

  withdraw(): Promise<ResolverOutcome> {
    return this.#turns.run(() => this.#withdraw());
  }

  async #try(step: () => Promise<Partial<ResolverOutcome>>): Promise<ResolverOutcome> {
    const nothing = { changed: false, refused: new Map<string, string>(), warnings: [] };
    try {
      return { ...nothing, ...await step() };
    } catch (error) {
      if (error instanceof CommandError || error instanceof FileError) {
        return { ...nothing, problem: error.message, hint: error.hint };
      }
      throw error;
    }
  }

  async #apply(server: DnsServer, domains: readonly string[]): Promise<Partial<ResolverOutcome>> {
    const own = this.#options.link();
    const refusal = await this.#refusal(server, own);
    if (own === undefined || refusal !== undefined) {
      const { changed } = await this.#withdraw();
      return { changed, problem: `Cannot use systemd-resolved: ${refusal}` };
    }
    const link = own.name;
    const wanted: Standing = {
      link,
      servers: [server.port === DNS_PORT ? server.address : serverText(server)],
      domains: domains.map((domain) => `~${domain}`),
    };
    const stands = isSame(await this.#look(link), wanted);
    const wasSet = this.#left !== undefined && isSame(this.#left, wanted);
    if (stands && wasSet) return {};
    const lost = wasSet && !stands;
    if (lost && !this.#repairs.take()) {
      return {
        problem: `Cannot use systemd-resolved: another program keeps changing its settings of ${link}`,
      };
    }
    this.#stands = "yes";
    this.#left = undefined;
    if (!stands) await this.#set(wanted);
    // Also of what an earlier run left: it may have ended before it asked.
    if (!hasDnsScope(await this.#run(["status", link]))) {
      const tries = this.#useless?.link === link ? this.#useless.tries + 1 : 1;
      this.#useless = { link, tries, until: this.#now() + (tries < QUICK_TRIES ? 0 : RETRY_MS) };
      await this.#withdraw();
      return { problem: `Cannot use systemd-resolved: ${useless(link)}` };
    }
    this.#useless = undefined;
    this.#left = wanted;
    const warnings = lost ? [`systemd-resolved lost the settings of ${link}: they are made again`] : [];
    return { changed: !stands, warnings };
  }

  /** @throws {CommandError} */
  async #set({ link, servers, domains }: Standing): Promise<void> {
    // Our server signs nothing and speaks no TLS, whatever the machine demands of others.
    await this.#run(["dnssec", link, "no"]);
    await this.#run(["dnsovertls", link, "no"]);
    // A server of an interface without domains would be asked about every name.
    await this.#run(["domain", link, ...domains]);
    await this.#run(["dns", link, ...servers]);
  }

  /**
   * Why systemd-resolved cannot be used. It is in charge where programs ask it first: where resolv.conf, by itself or as a link to one of
   * systemd-resolved's own files, begins with the address that it listens on.
   */
  async #refusal(server: DnsServer, link: OwnLink | undefined): Promise<string | undefined> {
    const { resolvConf, files } = this.#options;
    const bytes = await files.readBytesIfAny(resolvConf, MAX_BYTES) ?? new Uint8Array();
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
    const first = readNameservers(text)[0];
    if (first === undefined || !isStub(first)) {
      return `it is not in charge, since ${resolvConf} names ${first ?? "nobody"} first`;
    }
    if (link === undefined) return "there is no virtual network interface of our own";
    const address = parseIpv4(server.address);
    if (address === undefined || !cidrContains(link.subnet, address)) {
      return `our server at ${server.address} cannot be reached by way of ${link.name}`;
    }
    if (this.#useless?.link === link.name && this.#now() < this.#useless.until) return useless(link.name);
    return undefined;
  }

  async #withdraw(): Promise<ResolverOutcome> {
    const link = this.#options.link()?.name;
    const outcome = await this.#try(async () => {
      // The settings of an interface that is gone are gone too.
      if (this.#stands === "no" || link === undefined) return {};
      const { servers, domains } = await this.#look(link);
      if (servers.length === 0 && domains.length === 0) return {};
      await this.#run(["revert", link]);
      return { changed: true };
    });
    // Where it does not answer and we set nothing, there is most likely no systemd-resolved.
    if (outcome.problem !== undefined && this.#stands === "yes") return outcome;
    this.#left = undefined;
    this.#stands = "no";
    return { ...outcome, problem: undefined, hint: undefined };
  }

  /** @throws {CommandError} */
  async #look(link: string): Promise<Standing> {
    const [servers, domains] = await Promise.all([this.#read(["dns", link]), this.#read(["domain", link])]);
    return { link, servers, domains };
  }

  async #read(args: readonly string[]): Promise<string[]> {
    const output = await this.#run(args);
    try {
      return parseLinkValues(output);
    } catch (cause) {
      if (!(cause instanceof SyntaxError)) throw cause;
      const argv = [RESOLVECTL, ...args];
      throw new CommandError(`Cannot read the output of "${argv.join(" ")}": ${messageOf(cause)}`, {
        argv,
        exitCode: 0,
        stderr: "",
        cause,
      });
    }
  }

  async #run(args: readonly string[]): Promise<string> {
    return (await this.#options.run([RESOLVECTL, ...args], { timeoutMs: TIMEOUT_MS })).stdout;
  }
}

/** What is set for a link, as `resolvectl` spells it. */
interface Standing {
  readonly link: string;
  readonly servers: readonly string[];
  readonly domains: readonly string[];
}

function isSame(a: Standing, b: Standing): boolean {
  return a.link === b.link && a.servers.join(" ") === b.servers.join(" ") &&
    [...a.domains].sort().join(" ") === [...b.domains].sort().join(" ");
}

/** It has no carrier, or no address that counts: one with a scope wider than `link`. */
function useless(link: string): string {
  return `it sends nothing by way of ${link}`;
}
