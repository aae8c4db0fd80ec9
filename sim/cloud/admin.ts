import type { Socket } from "node:net";
import { ApiFailure } from "./errors.ts";
import { type Fault, FAULTS, type Faults } from "./faults.ts";
import { encodeReply, type HttpReply, type HttpRequest, serveHttp, wholeBody } from "./http_stream.ts";
import type { EndpointOptions } from "./state/endpoints.ts";
import type { Switches } from "./switches.ts";
import { TcpListener } from "./tcp_listener.ts";
import { Wire } from "./wire.ts";

/** The parts of the simulated cloud that the admin API shows and changes. */
export interface AdminTarget {
  readonly faults: Faults;
  readonly switches: Switches;
  readonly ingressCounts: object;
  readonly openStreams: number;
  readonly openConnections: number;
  endpoints(): unknown;
  addEndpoint(options: EndpointOptions): unknown;
  removeEndpoint(id: string): boolean;
  setBackend(id: string, backend: NonNullable<EndpointOptions["backend"]>): void;
  operators(): unknown;
  deleteOperator(id: string): void;
  revokeOperator(id: string): void;
  upgrades(): unknown;
  requests(): unknown;
  backendRequests(): unknown;
  closeIngress(): Promise<void>;
  openIngress(): Promise<void>;
  closeApi(): Promise<void>;
  openApi(): Promise<void>;
  reset(): void;
}

type Handler = (cloud: AdminTarget, call: { id: string; body: unknown }) => unknown;

/** The calls by method and path; `:id` is any one segment. The result is sent as JSON. */
const HANDLERS: Record<string, Handler> = {
  "GET /": () => Object.keys(HANDLERS),
  "GET /faults/kinds": () => FAULTS,
  "GET /faults": (cloud) => cloud.faults.list(),
  "POST /faults": (cloud, { body }) => {
    cloud.faults.set(...(Array.isArray(body) ? body : [body]) as Fault[]);
    return cloud.faults.list();
  },
  "DELETE /faults": (cloud) => {
    cloud.faults.clear();
    return [];
  },
  "DELETE /faults/:id": (cloud, { id }) => {
    cloud.faults.clear(id as Fault["kind"]);
    return cloud.faults.list();
  },
  "GET /switches": (cloud) => cloud.switches,
  "POST /switches": (cloud, { body }) => {
    for (const name of Object.keys(body as Switches)) {
      if (!(name in cloud.switches)) throw new RangeError(`Cannot set the switch ${name}: no such switch`);
    }
    return Object.assign(cloud.switches, body);
  },
  "GET /endpoints": (cloud) => cloud.endpoints(),
  "POST /endpoints": (cloud, { body }) => cloud.addEndpoint(body as EndpointOptions),
  "POST /endpoints/:id/backend": (cloud, { id, body }) =>
    cloud.setBackend(id, body as NonNullable<EndpointOptions["backend"]>),
  "DELETE /endpoints/:id": (cloud, { id }) => ({ removed: cloud.removeEndpoint(id) }),
  "GET /operators": (cloud) => cloud.operators(),
  "POST /operators/:id/delete": (cloud, { id }) => cloud.deleteOperator(id),
  "POST /operators/:id/revoke": (cloud, { id }) => cloud.revokeOperator(id),
  "GET /upgrades": (cloud) => cloud.upgrades(),
  "GET /requests": (cloud) => cloud.requests(),
  "GET /backend-requests": (cloud) => cloud.backendRequests(),
  "GET /counts": (cloud) => ({
    ...cloud.ingressCounts,
    openStreams: cloud.openStreams,
    openConnections: cloud.openConnections,
  }),
  "POST /ingress/close": (cloud) => cloud.closeIngress(),
  "POST /ingress/open": (cloud) => cloud.openIngress(),
  "POST /api/close": (cloud) => cloud.closeApi(),
  "POST /api/open": (cloud) => cloud.openApi(),
  "POST /reset": (cloud) => cloud.reset(),
};

/** A small HTTP API on 127.0.0.1 that sets faults, endpoints and operators from other processes. */
export class AdminServer implements AsyncDisposable {
  readonly listener = new TcpListener((socket) => this.#serve(socket));
  readonly #cloud: AdminTarget;

  constructor(cloud: AdminTarget) {
    this.#cloud = cloud;
  }

  /** The base URL. */
  get url(): string {
    return `http://127.0.0.1:${this.listener.port}`;
  }

  /** Closes the port and its connections. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.listener[Symbol.asyncDispose]();
  }

  async #serve(socket: Socket): Promise<void> {
    await serveHttp(
      new Wire(socket),
      async (request, wire) => await wire.write(encodeReply(await this.#answer(request))),
    );
  }

  async #answer(request: HttpRequest): Promise<HttpReply> {
    const segments = request.url.pathname.split("/");
    for (const [name, handle] of Object.entries(HANDLERS)) {
      const [method, pattern = ""] = name.split(" ");
      const wanted = pattern.split("/");
      if (method !== request.method || wanted.length !== segments.length) continue;
      if (wanted.some((segment, index) => segment !== ":id" && segment !== segments[index])) continue;
      const id = decodeURIComponent(segments[wanted.indexOf(":id")] ?? "");
      try {
        const text = new TextDecoder().decode(await wholeBody(request));
        const body: unknown = text === "" ? null : JSON.parse(text);
        return json(200, await handle(this.#cloud, { id, body }) ?? {});
      } catch (error) {
        const isClientError = error instanceof SyntaxError || error instanceof RangeError ||
          error instanceof ApiFailure;
        return json(isClientError ? 400 : 500, { error: String(error) });
      }
    }
    return json(404, { error: `No such call: ${request.method} ${request.url.pathname}` });
  }
}

function json(status: number, value: unknown): HttpReply {
  return { status, headers: { "Content-Type": "application/json" }, body: `${JSON.stringify(value)}\n` };
}
