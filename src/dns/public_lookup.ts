import { isGood } from "./exchange.ts";
import type { PublicAnswer } from "../names/policy/judge_public.ts";
import { RESOLV_CONF } from "../names/select.ts";
import { parseTcpAddress, type TcpAddress } from "../system/tcp.ts";
import { chooseUpstreams, UPLINK, type UpstreamSources } from "./choose_upstreams.ts";
import { makeQuery } from "./make_query.ts";
import { TYPE } from "./query.ts";
import { readAddresses } from "./read_addresses.ts";
import { RCODE, rcodeOf } from "./reply.ts";
import { type QueryClient, UpstreamClient, type UpstreamClientOptions } from "./upstream_client.ts";

/** The time for which the servers of this machine are not read again. */
const SERVERS_MS = 10_000;
/** This daemon as a client of the upstream DNS servers. */
const CLIENT: QueryClient = { holder: "ngrokd", isLocal: true, isUdp: false };

/**
 * Asks the upstream DNS servers whether a name exists. Our own server is never asked.
 */
export class PublicLookup implements Disposable {
  readonly #options: PublicLookupOptions;
  readonly #client: UpstreamClient;
  #found: { readonly atMs: number; readonly servers: Promise<readonly TcpAddress[]> } | undefined;

  constructor(options: PublicLookupOptions) {
    this.#options = options;
    this.#client = new UpstreamClient({ ...options, isOwn: (key) => options.own().includes(key) });
  }

  /**
   * Returns `exists` for a name with an address that is not ours, and for a wildcard whose suffix
   * exists: a missing suffix has no names below it (RFC 8020). Undefined without an answer.
   */
  async lookUp(name: string): Promise<PublicAnswer> {
    this.#client.servers = await this.#servers();
    if (this.#client.servers.length === 0) return "no server";
    if (name.startsWith("*.")) {
      const reply = await this.#ask(name.slice(2), TYPE.A);
      if (reply === undefined) return undefined;
      return rcodeOf(reply) === RCODE.NXDOMAIN ? "missing" : "exists";
    }
    for (const type of [TYPE.A, TYPE.AAAA]) {
      const reply = await this.#ask(name, type);
      if (reply === undefined) return undefined;
      if (rcodeOf(reply) === RCODE.NXDOMAIN) return "missing";
      if (readAddresses(reply).some((address) => !this.#options.isOurs(address))) return "exists";
    }
    return "missing";
  }

  async #ask(name: string, type: number): Promise<Uint8Array | undefined> {
    const reply = await this.#client.query(makeQuery(name, type), CLIENT);
    return reply !== undefined && isGood(reply) ? reply : undefined;
  }

  #servers(): Promise<readonly TcpAddress[]> {
    const atMs = performance.now();
    if (this.#found === undefined || atMs - this.#found.atMs > SERVERS_MS) {
      this.#found = { atMs, servers: this.#findServers() };
    }
    return this.#found.servers;
  }

  async #findServers(): Promise<readonly TcpAddress[]> {
    const { files, configured, own, holds } = this.#options;
    const read = (path: string) => files.readTextIfAny(path).catch(() => undefined);
    const [resolvConf, uplink] = await Promise.all([read(RESOLV_CONF), read(UPLINK)]);
    const { servers } = chooseUpstreams({ configured: configured(), own: own(), resolvConf, uplink, holds });
    return servers.map(parseTcpAddress);
  }

  /** Ends every look-up, without an answer. */
  [Symbol.dispose](): void {
    this.#client[Symbol.dispose]();
  }
}

/** Options of {@linkcode PublicLookup}. */
export interface PublicLookupOptions extends Omit<UpstreamClientOptions, "isOwn"> {
  readonly files: { readTextIfAny(path: string): Promise<string | undefined> };
  /** Returns `dns.upstream`. */
  readonly configured: () => readonly string[];
  /** Returns the addresses of our own DNS server, each `address:port`. */
  readonly own: () => readonly string[];
  readonly holds: UpstreamSources["holds"];
  /** Returns true for an IPv4 address where this machine answers itself. */
  readonly isOurs: (address: string) => boolean;
}
