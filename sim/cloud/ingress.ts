import type { Socket } from "node:net";
import { type BackendContext, runBackend } from "./backends.ts";
import type { KeyPairPem } from "./certificate_authority.ts";
import { type ConnRequest, type ConnResponse, decodeRequest, type PodIdentity, splitFrame } from "./frame.ts";
import type { BackendRequest } from "./http_backend.ts";
import { encodeReply } from "./http_stream.ts";
import { alterResponse, sendMalformed, sendResponse } from "./ingress_response.ts";
import { IngressTls } from "./ingress_tls.ts";
import type { CloudState } from "./state/cloud_state.ts";
import type { Endpoint } from "./state/endpoints.ts";
import type { Operator } from "./state/operators.ts";
import { TcpListener } from "./tcp_listener.ts";
import { acceptTls } from "./tls_accept.ts";
import { concat, Wire } from "./wire.ts";

/** One upgrade request that the ingress received. */
export interface UpgradeRecord {
  operatorId: string;
  /** The serial number of the client certificate in the handshake, lower-case hex. */
  certSerial: string;
  /** Null if no endpoint was chosen. */
  endpointId: string | null;
  host: string;
  port: number;
  podIdentity?: PodIdentity;
  /** "ok", the code of the error response, or "fault" if a fault replaced the answer. */
  outcome: string;
  /** Milliseconds since 1970. */
  at: number;
}

/** Counts of connections by what happened before their upgrade request. */
export interface IngressCounts {
  accepted: number;
  handshakes: number;
  /** Without a certificate, or with an unknown, expired or revoked one. */
  refusedCertificates: number;
  /** Closed by the client without sending a byte, like a connection of a pool. */
  unused: number;
  frameTimeouts: number;
  malformedFrames: number;
}

const MAX_RECORDS = 1_000_000;
const NO_COUNTS: IngressCounts = {
  accepted: 0,
  handshakes: 0,
  refusedCertificates: 0,
  unused: 0,
  frameTimeouts: 0,
  malformedFrames: 0,
};

/**
 * The ingress: TLS with client certificates, one upgrade, then the backend (docs/protocol.md 3).
 */
export class Ingress implements AsyncDisposable {
  /** Every upgrade request so far, oldest first. */
  readonly upgrades: UpgradeRecord[] = [];
  /** Every request that an http or tls backend received, oldest first. */
  readonly backendRequests: BackendRequest[] = [];
  readonly counts: IngressCounts = { ...NO_COUNTS };
  readonly #state: CloudState;
  readonly #tls: IngressTls;
  readonly #certificates = new Map<string, Promise<KeyPairPem>>();
  readonly #listener = new TcpListener((socket) => this.#serve(socket));
  readonly #streams = new Map<Wire, string>();
  readonly #nextMembers = new Map<string, number>();

  /** @param state The state that the API changes. */
  constructor(state: CloudState) {
    this.#state = state;
    this.#tls = new IngressTls(state.authority);
    state.cutStreams = (operatorId) => {
      for (const [wire, owner] of this.#streams) if (owner === operatorId) wire.reset();
    };
  }

  /** The listener, which the owner opens and closes. */
  get listener(): TcpListener {
    return this.#listener;
  }

  /** The number of open streams after their upgrade. */
  get openStreams(): number {
    return this.#streams.size;
  }

  /** Clears all records and counts. */
  forget(): void {
    this.upgrades.length = 0;
    this.backendRequests.length = 0;
    Object.assign(this.counts, NO_COUNTS);
  }

  /** Closes the port and every connection. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#listener[Symbol.asyncDispose]();
  }

  async #serve(socket: Socket): Promise<void> {
    this.counts.accepted++;
    const { faults } = this.#state;
    if (faults.take("ingress.stall")) return await new Wire(socket).drain();
    if (faults.take("ingress.reset", { stage: "accept" })) return void socket.resetAndDestroy();
    const { wire, peerFingerprint, peerSerial } = await acceptTls(
      new Wire(socket),
      await this.#tls.choose(faults),
    );
    this.counts.handshakes++;
    try {
      if (faults.take("ingress.reset", { stage: "handshake" })) return wire.reset();
      const operator = this.#admit(peerFingerprint);
      if (operator === null) return await this.#refuse(wire);
      const request = await this.#readRequest(wire);
      if (request !== null) await this.#upgrade(wire, { request, operator, certSerial: peerSerial! });
      await wire.close();
    } finally {
      wire.destroy();
    }
  }

  /** The operator of a certificate, or null if the certificate must be refused. */
  #admit(fingerprint: string | null): Operator | null {
    const found = fingerprint === null ? undefined : this.#state.operatorByFingerprint(fingerprint);
    if (this.#state.faults.take("ingress.revoked") || found === undefined) return null;
    return found.operator.revoked || found.notAfter.getTime() <= this.#state.now() ? null : found.operator;
  }

  async #refuse(wire: Wire): Promise<void> {
    this.counts.refusedCertificates++;
    const { refusal } = this.#state.switches;
    if (refusal === "reset") wire.reset();
    else if (refusal === "eof") wire.destroy();
    else await wire.close();
  }

  /** The request frame, or null if none came and the connection can be closed. */
  async #readRequest(wire: Wire): Promise<ConnRequest | null> {
    const { frameWaitMs, keepEarlyBytes } = this.#state.switches;
    let late = false;
    const timer = frameWaitMs === null ? undefined : setTimeout(() => {
      late = true;
      this.counts.frameTimeouts++;
      void wire.close();
    }, frameWaitMs);
    let bytes: Uint8Array = new Uint8Array();
    try {
      while (true) {
        const frame = splitFrame(bytes);
        if (frame !== null) {
          if (keepEarlyBytes) wire.unread(frame.rest);
          return decodeRequest(frame.body);
        }
        const chunk = await wire.read();
        if (chunk === null) break;
        bytes = concat(bytes, chunk);
      }
    } catch {
      if (!late) this.counts.malformedFrames++;
      return null;
    } finally {
      clearTimeout(timer);
    }
    if (late) return null;
    if (bytes.length === 0) this.counts.unused++;
    else this.counts.malformedFrames++;
    return null;
  }

  async #upgrade(
    wire: Wire,
    options: { request: ConnRequest; operator: Operator; certSerial: string },
  ): Promise<void> {
    const { request, operator, certSerial } = options;
    const { faults, switches, endpoints } = this.#state;
    const { host } = request;
    const record: UpgradeRecord = {
      operatorId: operator.id,
      certSerial,
      endpointId: null,
      outcome: "fault",
      ...request,
      at: this.#state.now(),
    };
    if (this.upgrades.length < MAX_RECORDS) this.upgrades.push(record);
    await this.#wait(faults.take("ingress.delay", { host })?.ms ?? 0, wire);
    if (await sendMalformed(wire, { faults, host })) return;

    const members = host.includes(":")
      ? []
      : endpoints.find(operator.accountId, { ...request, matches: operator.matches });
    const endpoint = this.#nextMember(members);
    const response = alterResponse(this.#respond(request, endpoint), { faults, host });
    const failure = response.errorCode || response.errorMessage;
    record.outcome = failure || "ok";
    record.endpointId = endpoint?.id ?? null;
    await sendResponse(wire, response, { faults, host });
    if (faults.take("ingress.reset", { host, stage: "response" })) return wire.reset();
    if (failure || endpoint === undefined) return switches.closeAfterError ? undefined : await wire.drain();
    if (faults.take("ingress.half_close", { host })) {
      await wire.end();
      return await wire.drain();
    }
    const reset = faults.take("ingress.reset", { host, stage: "stream" });
    if (reset?.stage === "stream") wire.resetAfter(reset.afterBytes);
    await this.#stream(wire, { endpoint, request, operator, members });
  }

  #respond(request: ConnRequest, endpoint: Endpoint | undefined): Partial<ConnResponse> {
    const { switches } = this.#state;
    if (request.host.includes(":")) {
      return { errorCode: "ERR_NGROK_706", errorMessage: `no endpoint “${request.host}”` };
    }
    if (endpoint === undefined) {
      return {
        errorCode: switches.unknownEndpointCode,
        errorMessage: `The endpoint ${request.host}:${request.port} is offline.`,
      };
    }
    if (endpoint.backend === "down" && !(endpoint.scheme === "http" && switches.offlineHttp === "page")) {
      return {
        errorCode: switches.offlineCode,
        errorMessage: `The upstream of ${endpoint.url} cannot be reached.`,
      };
    }
    return { endpointId: endpoint.id, proto: endpoint.scheme };
  }

  async #stream(
    wire: Wire,
    upgrade: { endpoint: Endpoint; request: ConnRequest; operator: Operator; members: Endpoint[] },
  ): Promise<void> {
    const { endpoint, request, operator, members } = upgrade;
    const { switches } = this.#state;
    if (switches.idleTimeoutMs !== null) wire.socket.setTimeout(switches.idleTimeoutMs, () => wire.destroy());
    this.#streams.set(wire, operator.id);
    try {
      if (endpoint.backend === "down") {
        return await wire.write(encodeReply({
          status: 502,
          headers: {
            Connection: "close",
            "Content-Type": "text/html",
            "ngrok-error-code": switches.offlineCode,
          },
          body: `<html><body>${switches.offlineCode}: ${endpoint.url} is offline.</body></html>\n`,
        }));
      }
      const perRequest = switches.poolPerRequest && endpoint.scheme.startsWith("http");
      const context: BackendContext = {
        endpoint,
        host: request.host,
        nextMember: () => perRequest ? this.#nextMember(members) ?? endpoint : endpoint,
        checkHost: switches.checkHost && endpoint.scheme === "http",
        authority: this.#state.authority,
        certificates: this.#certificates,
        record: (seen) => {
          if (this.backendRequests.length < MAX_RECORDS) this.backendRequests.push(seen);
        },
      };
      await runBackend(wire, context);
    } catch {
      // A broken stream concerns only its own client.
      wire.reset();
    } finally {
      this.#streams.delete(wire);
    }
  }

  /** Round robin over the members of a pool. */
  #nextMember(members: Endpoint[]): Endpoint | undefined {
    const [first] = members;
    if (first === undefined || members.length === 1) return first;
    const index = this.#nextMembers.get(first.id) ?? 0;
    this.#nextMembers.set(first.id, index + 1);
    return members[index % members.length];
  }

  async #wait(milliseconds: number, wire: Wire): Promise<void> {
    if (milliseconds === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, milliseconds);
    await Promise.race([promise, wire.closed]);
    clearTimeout(timer);
  }
}
