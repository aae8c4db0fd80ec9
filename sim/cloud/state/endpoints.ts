import { type EndpointAddress, parseEndpointUrl } from "../endpoint_url.ts";
import { numberedFailure } from "../errors.ts";
import type { Switches } from "../switches.ts";

/** The server behind an endpoint; `backends.ts` describes each. */
export type Backend =
  | "echo"
  | "http"
  | "tcp"
  | "tls"
  | "down"
  | "reset"
  | "stall"
  | "sink"
  | "source"
  | { forward: string }
  | { sink: number }
  | { source: number; seed?: number };

/** An endpoint of an account. */
export interface Endpoint extends EndpointAddress {
  id: string;
  accountId: string;
  binding: "public" | "internal" | "kubernetes";
  type: "cloud" | "ephemeral" | "edge";
  pooling: boolean;
  name: string;
  metadata: string;
  description: string;
  trafficPolicy: string;
  createdAt: number;
  updatedAt: number;
  backend: Backend;
}

/** The endpoints of all accounts, in order of creation, by id and by host and port. */
export class EndpointStore {
  readonly #switches: Switches;
  readonly #nextId: () => string;
  readonly #now: () => number;
  readonly #byId = new Map<string, Endpoint>();
  readonly #byAddress = new Map<string, Endpoint[]>();

  /** @param options `now` in milliseconds since 1970. */
  constructor(switches: Switches, options: { nextId: () => string; now: () => number }) {
    this.#switches = switches;
    this.#nextId = options.nextId;
    this.#now = options.now;
  }

  /**
   * Adds an endpoint.
   *
   * @throws {ApiFailure} If its URL breaks a rule, or conflicts with another one.
   */
  add(accountId: string, options: EndpointOptions): Endpoint {
    const { binding = "kubernetes", type = "cloud", pooling = false } = options;
    const address = parseEndpointUrl(options.url, { binding, switches: this.#switches });
    this.#refuseConflict(accountId, { address, binding, pooling, type });
    const now = this.#now();
    const endpoint: Endpoint = {
      ...address,
      id: this.#nextId(),
      accountId,
      binding,
      type,
      pooling,
      name: options.name ?? "",
      metadata: options.metadata ?? "",
      description: options.description ?? "",
      trafficPolicy: options.trafficPolicy ?? "",
      createdAt: now,
      updatedAt: now,
      backend: options.backend,
    };
    this.#byId.set(endpoint.id, endpoint);
    const key = addressKey(accountId, endpoint);
    const others = this.#byAddress.get(key) ?? [];
    this.#byAddress.set(key, [...others, endpoint]);
    return endpoint;
  }

  /** The endpoint with this id. */
  get(id: string): Endpoint | undefined {
    return this.#byId.get(id);
  }

  /** Removes an endpoint. Returns false if there is none. */
  remove(id: string): boolean {
    const endpoint = this.#byId.get(id);
    if (endpoint === undefined) return false;
    this.#byId.delete(id);
    const key = addressKey(endpoint.accountId, endpoint);
    const rest = (this.#byAddress.get(key) ?? []).filter((other) => other !== endpoint);
    if (rest.length === 0) this.#byAddress.delete(key);
    else this.#byAddress.set(key, rest);
    return true;
  }

  /** The account's endpoints, newest first. */
  newestFirst(accountId: string): Endpoint[] {
    const found: Endpoint[] = [];
    for (const endpoint of this.#byId.values()) if (endpoint.accountId === accountId) found.push(endpoint);
    return found.reverse();
  }

  /**
   * The kubernetes-bound endpoints of a name and port for which `matches` is true: exact ones, else
   * those of the longest wildcard. A wildcard matches any depth below its domain, but not the bare
   * domain (docs/protocol.md 2.2).
   */
  find(
    accountId: string,
    options: { host: string; port: number; matches: (endpoint: Endpoint) => boolean },
  ): Endpoint[] {
    const { port, matches } = options;
    const host = options.host.toLowerCase();
    const at = (name: string): Endpoint[] => {
      const all = (this.#byAddress.get(addressKey(accountId, { host: name, port })) ?? [])
        .filter((endpoint) => endpoint.binding === "kubernetes" && matches(endpoint));
      // Only endpoints with one URL are a pool: another protocol on the port is not.
      return all.filter((endpoint) => endpoint.url === all[0]?.url);
    };
    let found = at(host);
    for (let dot = host.indexOf("."); found.length === 0 && dot !== -1; dot = host.indexOf(".", dot + 1)) {
      found = at(`*${host.slice(dot)}`);
    }
    return found;
  }

  #refuseConflict(
    accountId: string,
    wanted: { address: EndpointAddress; binding: string; pooling: boolean; type: Endpoint["type"] },
  ): void {
    const { address: { url, host, port }, binding, pooling, type } = wanted;
    const other = (this.#byAddress.get(addressKey(accountId, { host, port })) ?? [])
      .find((other) => other.binding === binding && other.url === url);
    if (other === undefined || (pooling && other.pooling)) return;
    if (pooling) {
      throw numberedFailure(18016, `The endpoint ${url} is online without pooling.`);
    }
    if (other.pooling) {
      throw numberedFailure(18017, `The endpoint ${url} is online with pooling.`);
    }
    if (type === "cloud") throw numberedFailure(18009, `The endpoint ${url} exists already.`);
    throw numberedFailure(334, `The endpoint ${url} is already online.`);
  }
}

/** The properties of a new endpoint. */
export interface EndpointOptions {
  url: string;
  backend: Backend;
  pooling?: boolean;
  /** @default {"kubernetes"} */
  binding?: Endpoint["binding"];
  type?: Endpoint["type"];
  name?: string;
  metadata?: string;
  description?: string;
  trafficPolicy?: string;
}

function addressKey(accountId: string, { host, port }: { host: string; port: number }): string {
  return `${accountId} ${host}:${port}`;
}
