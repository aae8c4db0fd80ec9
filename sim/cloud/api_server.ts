import type { Socket } from "node:net";
import { alterAnswer } from "./answer_faults.ts";
import type { ApiAnswer } from "./api_call.ts";
import { answerApi, matchRoute } from "./api_routes.ts";
import { ApiFailure, errorBody, numberedFailure } from "./errors.ts";
import type { ApiRoute, Fault } from "./faults.ts";
import { encodeHead, encodeReply, type HttpRequest, serveHttp, wholeBody } from "./http_stream.ts";
import type { CloudState } from "./state/cloud_state.ts";
import { TcpListener } from "./tcp_listener.ts";
import { acceptTls, type TlsProfile } from "./tls_accept.ts";
import { concat, Wire } from "./wire.ts";

/** One request that the API received. */
export interface RequestRecord {
  method: string;
  /** Path and query. */
  path: string;
  /** Null if the API has no such call. */
  route: ApiRoute | null;
  /** The status of the answer; 0 if there was none. */
  status: number;
  /** Milliseconds since 1970. */
  at: number;
  /** The headers by lower-case name, without Authorization. */
  headers: Record<string, string>;
  body: string;
}

const ANSWER_FAULTS = [
  "never_answer",
  "reset",
  "error",
  "html",
  "redirect",
  "text_body",
  "empty_body",
  "cut_body",
  "huge_body",
  "slow_body",
] as const;
const MAX_RECORDS = 100_000;

/** The HTTP API of the simulated cloud. */
export class ApiServer implements AsyncDisposable {
  /** Every request so far, oldest first. */
  readonly requests: RequestRecord[] = [];
  readonly #state: CloudState;
  readonly #tls: TlsProfile | undefined;
  readonly #listener = new TcpListener((socket) => this.#serve(socket));

  /** @param tls The certificate; with it the API speaks HTTPS. */
  constructor(state: CloudState, tls?: TlsProfile) {
    this.#state = state;
    this.#tls = tls;
  }

  /** The listener, which the owner opens and closes. */
  get listener(): TcpListener {
    return this.#listener;
  }

  /** The base URL. */
  get url(): string {
    return `${this.#tls === undefined ? "http" : "https"}://127.0.0.1:${this.#listener.port}`;
  }

  /** Closes the port and every connection, which also ends pending answers. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#listener[Symbol.asyncDispose]();
  }

  async #serve(socket: Socket): Promise<void> {
    let wire = new Wire(socket);
    if (this.#tls !== undefined) wire = (await acceptTls(wire, this.#tls)).wire;
    await serveHttp(wire, (request) => this.#answer(request, wire));
  }

  async #answer(request: HttpRequest, wire: Wire): Promise<"close" | void> {
    const state = this.#state;
    const scheme = this.#tls === undefined ? "http" : "https";
    const url = new URL(
      request.url.pathname + request.url.search,
      `${scheme}://${request.header("Host") ?? "api.ngrok.com"}`,
    );
    const match = matchRoute(request.method, url.pathname);
    const bodyText = new TextDecoder().decode(await wholeBody(request));
    const record: RequestRecord = {
      method: request.method,
      path: url.pathname + url.search,
      route: match?.route ?? null,
      status: 0,
      at: state.now(),
      headers: publicHeaders(request),
      body: bodyText,
    };
    if (this.requests.length < MAX_RECORDS) this.requests.push(record);
    const moment = match === null ? {} : { route: match.route };

    const delay = state.faults.take("delay", moment);
    if (delay !== undefined) await this.#wait(delay.ms, wire);
    const fault = state.faults.takeFirst(ANSWER_FAULTS, moment);
    if (fault?.kind === "reset") return wire.reset();
    if (fault?.kind === "never_answer") return await wire.closed;

    const operationId = state.ids.next("op");
    let answer: ApiAnswer;
    let retryAfter = fault?.kind === "error" ? fault.retryAfter : undefined;
    try {
      if (fault?.kind === "error") {
        throw new ApiFailure(fault.message ?? "Simulated error", {
          status: fault.status,
          code: fault.code ?? null,
        });
      }
      answer = await answerApi({ ...request, url, bodyText }, { match, state });
      if (match !== null) answer = alterAnswer(answer, { route: match.route, state, url });
    } catch (error) {
      const failure = error instanceof ApiFailure
        ? error.withStatusOf(state.switches.statusOf)
        : numberedFailure(19000, String(error));
      if (failure.status === 429) retryAfter ??= state.switches.retryAfter ?? undefined;
      answer = { status: failure.status, body: errorBody(failure, operationId) };
    }
    const headers: Record<string, string> = {
      ...(answer.body === null ? {} : { "Content-Type": "application/json" }),
      "ngrok-operation-id": operationId,
      ...(retryAfter === undefined ? {} : { "Retry-After": retryAfter }),
    };
    const body = answer.body === null
      ? new Uint8Array()
      : new TextEncoder().encode(JSON.stringify(answer.body));
    record.status = answer.status;
    return await this.#send({ status: answer.status, headers, body, record }, fault, wire);
  }

  async #send(
    answer: { status: number; headers: Record<string, string>; body: Uint8Array; record: RequestRecord },
    fault: Extract<Fault, { kind: typeof ANSWER_FAULTS[number] }> | undefined,
    wire: Wire,
  ): Promise<"close" | void> {
    const { status, headers, body, record } = answer;
    switch (fault?.kind) {
      case "html":
        record.status = fault.status;
        return await wire.write(encodeReply({
          status: fault.status,
          headers: { "Content-Type": "text/html" },
          body: "<!DOCTYPE html><html><body><h1>Simulated page</h1></body></html>",
        }));
      case "redirect":
        record.status = fault.status ?? 302;
        return await wire.write(
          encodeReply({ status: record.status, headers: { Location: fault.location } }),
        );
      case "text_body":
        record.status = fault.status ?? status;
        return await wire.write(encodeReply({ status: record.status, headers, body: fault.text }));
      case "empty_body":
        return await wire.write(encodeReply({ status, headers }));
      case "cut_body":
        await wire.write(
          concat(encodeHead({ status, headers, contentLength: body.length }), body.subarray(0, fault.bytes)),
        );
        return "close";
      case "huge_body":
        return await sendHuge({ status, headers, body, extraBytes: fault.bytes }, wire);
      case "slow_body":
        await wire.write(encodeHead({ status, headers, contentLength: body.length }));
        for (let index = 0; index < body.length; index++) {
          await wire.write(body.subarray(index, index + 1));
          await this.#wait(fault.msPerByte, wire);
        }
        return;
      default:
        await wire.write(encodeReply({ status, headers, body }));
    }
  }

  /** Waits until the time is over or the connection is closed. */
  async #wait(milliseconds: number, wire: Wire): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, milliseconds);
    await Promise.race([promise, wire.closed]);
    clearTimeout(timer);
  }
}

async function sendHuge(
  answer: { status: number; headers: Record<string, string>; body: Uint8Array; extraBytes: number },
  wire: Wire,
): Promise<void> {
  const { status, headers, body, extraBytes } = answer;
  await wire.write(encodeHead({ status, headers, contentLength: body.length + extraBytes }));
  const space = new Uint8Array(65_536).fill(0x20);
  for (let left = extraBytes; left > 0; left -= space.length) await wire.write(space.slice(0, left));
  await wire.write(body);
}

function publicHeaders(request: HttpRequest): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of request.rawHeaders) {
    if (!/^authorization$/i.test(name)) headers[name.toLowerCase()] = value;
  }
  return headers;
}
