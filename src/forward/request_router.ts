import type { Outcome } from "../model/traffic.ts";
import { abortQuietly, type ByteStream, closeQuietly } from "../system/byte_stream.ts";
import type { HttpRefused, NextRequest, RouteChoice } from "./choose_route.ts";
import { ConnectionUpstreams, type ConnectionUpstreamsOptions } from "./connection_upstreams.ts";
import { badGateway, isIngressFailure, outcomeOf } from "./counted_upstream.ts";
import type { Answers } from "./http/framed_stream.ts";
import type { RequestHead } from "./http/parse_head.ts";
import { isSwitch, type RequestKind } from "./http/parse_response.ts";
import { ResponseReader } from "./http/read_response.ts";
import { type HttpRefusal, httpResponse } from "./http/refuse.ts";
import { SAFE_METHODS } from "./http/refuse_foreign.ts";
import { asksToClose, kindOf, mayMisread } from "./http/request_kind.ts";
import type { Meter } from "./pipe.ts";
import { RepeatableRequest } from "./repeatable_request.ts";
import type { UpstreamEnd, UpstreamReader } from "./upstream_reader.ts";

/**
 * A request that cannot be repeated gets a kept upstream only if the last request was less than
 * this time ago: the server may be about to close it.
 */
const FRESH_MS = 1_000;

/**
 * The upstreams of a connection whose requests may go to several endpoints, as one stream. A
 * request for another host than the last one waits until all earlier responses are with the client.
 * So one upstream is in use at a time, the responses keep their order, and none waits in memory.
 */
export class RequestRouter implements ByteStream, Answers, Disposable {
  /** Counts for the upstream in use. */
  readonly meter: Meter = {
    countIn: (bytes) => this.#upstreams.current?.meter.countIn(bytes),
    countOut: (bytes) => this.#upstreams.current?.meter.countOut(bytes),
    beginIn: (bytes) => this.#upstreams.current?.meter.beginIn?.(bytes),
    beginOut: (bytes) => this.#upstreams.current?.meter.beginOut?.(bytes),
  };
  readonly #options: RouterOptions;
  readonly #responses = new ResponseReader();
  readonly #upstreams: ConnectionUpstreams;
  #choice: RouteChoice;
  /** True if no answer of another server may follow that to the last request. */
  #isLast = false;
  /** True if the client may end a response elsewhere than RFC 9112 does for HTTP/1.1. */
  #mayMisread = false;
  /** True if the client has taken all that was read. */
  #isDelivered = true;
  /** True if no further request comes. */
  #isStopped = false;
  /** True if the server has got a part of the last request, and no more of it comes. */
  #isTruncated = false;
  #hasEnded = false;
  /** True while a request waits for earlier answers, or for its upstream. */
  #isPreparing = false;
  #isOver = false;
  #repeatable: RepeatableRequest | undefined;
  #repeating: Promise<void> | undefined;
  #changed: PromiseWithResolvers<void> | undefined;
  #outcome: Outcome = "ok";

  /** Call {@linkcode openFirst} before anything else. */
  constructor(choice: RouteChoice, options: RouterOptions) {
    this.#choice = choice;
    this.#options = options;
    this.#upstreams = new ConnectionUpstreams({ ...options, onChange: () => this.#signal() });
  }

  /** Opens the upstream of the first request. @throws Whatever `open` throws. */
  async openFirst(): Promise<void> {
    await this.#upstreams.open(this.#choice);
  }

  /** The outcome of the last request. */
  get outcome(): Outcome {
    return this.#outcome;
  }

  /** Passes a request to the upstream in use, refuses it, or holds it for {@linkcode prepare}. */
  admit(head: RequestHead): HttpRefusal | "hold" | undefined {
    const choice = this.#options.choose(this.#choice, { head });
    if ("refusal" in choice) return choice.refusal;
    const kind = kindOf(head);
    const reader = this.#upstreams.current;
    if (reader === undefined || !this.#upstreams.isCurrent(choice) || !this.#mayPass(kind)) return "hold";
    const isFirst = reader.usedAt === undefined;
    reader.usedAt = performance.now();
    if (this.#repeatable !== undefined) this.#repeatable.isSent = true;
    this.#mayMisread ||= mayMisread(head);
    this.#isLast = this.#mayMisread || asksToClose(head);
    this.#responses.expect(kind);
    if (isFirst) this.#signal();
    return undefined;
  }

  async prepare(head: RequestHead): Promise<HttpRefusal | "end" | undefined> {
    this.#isPreparing = true;
    try {
      return await this.#mayFollow(head) ? await this.#useUpstream(head) : "end";
    } finally {
      this.#isPreparing = false;
    }
  }

  async hasSwitched(): Promise<boolean> {
    while (this.#responses.hasSwitched === undefined) await this.#change();
    if (this.#responses.hasSwitched) this.#upstreams.endKept();
    return this.#responses.hasSwitched;
  }

  stop({ inBody }: { inBody: boolean }): void {
    this.#isStopped = true;
    this.#isTruncated = inBody;
    this.#signal();
  }

  areWhole({ but }: { but: 0 | 1 }): boolean {
    return !this.#responses.isFinal && !this.#responses.hasBegun && this.#responses.due <= but;
  }

  async read(buffer: Uint8Array): Promise<number | null> {
    this.#isDelivered = true;
    this.#signal();
    for (;;) {
      if (this.#isOver || (this.#isStopped && this.#responses.isIdle)) return null;
      const reader = this.#upstreams.current;
      if (reader === undefined && !this.#isPreparing && !this.#upstreams.hasKept) {
        this.#end();
        return null;
      }
      if (reader?.usedAt !== undefined) {
        if (reader.bytes.length > 0) {
          const count = this.#takeAnswer(reader, buffer);
          if (count > 0) return count;
          continue;
        }
        if (reader.end !== undefined) {
          const more = await this.#afterEnd(reader.end, buffer);
          if (more === "goes on") continue;
          return more;
        }
        reader.readAhead();
      }
      await this.#change();
    }
  }

  write(data: Uint8Array): Promise<number> {
    const isPlain = this.#repeatable === undefined && this.#repeating === undefined;
    const { current } = this.#upstreams;
    if (isPlain && current !== undefined) return current.stream.write(data);
    return this.#write(data);
  }

  async closeWrite(): Promise<void> {
    this.#hasEnded = true;
    this.#upstreams.endKept();
    await this.#repeating;
    // Some servers break a response off when the client ends; others begin it only then.
    const mayWait = this.#isStopped && this.#responses.hasBegun;
    while (mayWait && this.#isAnswerDue) await this.#change();
    const { current } = this.#upstreams;
    if (current !== undefined) return await current.stream.closeWrite();
    this.#end();
  }

  close(): void {
    this.#end();
    this.#upstreams.endKept();
    const { current } = this.#upstreams;
    if (current !== undefined) closeQuietly(current.stream);
  }

  async abort(): Promise<void> {
    this.#end();
    this.#upstreams.endKept();
    const { current } = this.#upstreams;
    if (current !== undefined) await abortQuietly(current.stream);
  }

  [Symbol.dispose](): void {
    this.#end();
    this.#upstreams[Symbol.dispose]();
  }

  /** True if the response to a whole request has not ended, but will. */
  get #isAnswerDue(): boolean {
    const { isIdle, isEndless } = this.#responses;
    return !this.#isTruncated && !this.#isOver && !isIdle && !isEndless;
  }

  #mayPass(kind: RequestKind): boolean {
    if (this.#repeatable?.isSent === true) return false;
    if (isSwitch(kind)) return this.#responses.isIdle;
    return this.#responses.mayExpect(kind);
  }

  /** Waits until the client has all responses; false if none to this request may follow them. */
  async #mayFollow(head: RequestHead): Promise<boolean> {
    while (!this.#isOver) {
      const { isIdle, isFinal, isUnclear, isEndless } = this.#responses;
      if (isIdle && this.#isDelivered) return !(isFinal || this.#isLast) || this.#isUsable(head);
      const isConfusing = isUnclear || this.#mayMisread;
      // The route is looked up only where it matters: each piece of an answer wakes this loop.
      if ((isConfusing || isEndless) && !this.#isUsable(head)) {
        // The client may take whatever comes now for the answer to the request that waits.
        if (isConfusing) this.#end();
        return false;
      }
      await this.#change();
    }
    return false;
  }

  /** Makes the upstream of a request the one in use. */
  async #useUpstream(head: RequestHead): Promise<HttpRefusal | undefined> {
    if (this.#isUsable(head)) return undefined;
    const choice = this.#options.choose(this.#choice, { head, mayOpen: true });
    if ("refusal" in choice) return choice.refusal;
    this.#upstreams.keep();
    this.#repeatable = undefined;
    try {
      if (!this.#reuse(choice, head)) await this.#upstreams.open(choice);
    } catch (error) {
      if (!isIngressFailure(error)) throw error;
      this.#outcome = outcomeOf(error);
      return badGateway(choice, { error, method: head.method });
    }
    this.#choice = choice;
    if (this.#isOver) this.#upstreams.endCurrent();
    this.#signal();
    return undefined;
  }

  /** Returns true if the request may use the upstream in use. */
  #isUsable(head: RequestHead): boolean {
    const choice = this.#options.choose(this.#choice, { head });
    return !("refusal" in choice) && this.#upstreams.isCurrent(choice);
  }

  /** Uses a kept upstream; a request that can be repeated on another one is remembered. */
  #reuse(choice: RouteChoice, head: RequestHead): boolean {
    const isRepeatable = SAFE_METHODS.has(head.method) && head.body === 0;
    const isReused = this.#upstreams.reuse(choice, isRepeatable ? 0 : performance.now() - FRESH_MS);
    if (isReused && isRepeatable) this.#repeatable = new RepeatableRequest(head);
    return isReused;
  }

  /** Copies what answers a request to the buffer. The rest is for nobody, and ends the upstream. */
  #takeAnswer(reader: UpstreamReader, buffer: Uint8Array): number {
    const bytes = reader.bytes.length > buffer.length
      ? reader.bytes.subarray(0, buffer.length)
      : reader.bytes;
    const count = this.#responses.take(bytes);
    buffer.set(count === bytes.length ? bytes : bytes.subarray(0, count));
    if (count < bytes.length) reader.spoil();
    else reader.take(count);
    if (count > 0) {
      this.#isDelivered = false;
      this.#repeatable = undefined;
    }
    if (this.#responses.isFinal) this.#upstreams.endKept();
    this.#signal();
    return count;
  }

  /** Goes on without an upstream that has ended, or returns the last bytes for the client. */
  async #afterEnd({ error }: UpstreamEnd, buffer: Uint8Array): Promise<number | null | "goes on"> {
    if (this.#repeatable?.isSent === true) return await this.#repeat(this.#repeatable, buffer);
    if (this.#responses.isIdle && this.#outlives()) {
      this.#upstreams.endCurrent();
      return "goes on";
    }
    this.#end();
    if (error !== undefined) throw error;
    return null;
  }

  /** Returns true if the connection has or needs another upstream, and neither side ends it. */
  #outlives(): boolean {
    const isLast = this.#responses.isFinal || this.#hasEnded || this.#isLast;
    return !isLast && (this.#isPreparing || this.#upstreams.hasKept);
  }

  /** Sends the request, of which no byte was answered, on an upstream of its own. */
  async #repeat(request: RepeatableRequest, buffer: Uint8Array): Promise<number | "goes on"> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const choice = this.#options.choose(this.#choice, { head: request.head, mayOpen: true });
    this.#repeating = promise;
    this.#repeatable = undefined;
    this.#upstreams.endCurrent();
    try {
      if ("refusal" in choice) return this.#endWith(choice.refusal, buffer);
      this.#choice = choice;
      const reader = await this.#open(choice);
      if (reader === undefined) return "goes on";
      reader.usedAt = performance.now();
      await request.sendTo(reader.stream);
      if (this.#hasEnded) await reader.stream.closeWrite();
      return "goes on";
    } catch (error) {
      if (!isIngressFailure(error)) throw error;
      this.#outcome = outcomeOf(error);
      return this.#endWith(badGateway(this.#choice, { error, method: request.head.method }), buffer);
    } finally {
      this.#repeating = undefined;
      resolve();
    }
  }

  /** Opens an upstream. If the connection ends first, returns undefined, and ends the upstream. */
  async #open(choice: RouteChoice): Promise<UpstreamReader | undefined> {
    let isOpening = true;
    const opening = this.#upstreams.open(choice).finally(() => {
      isOpening = false;
      if (this.#isOver) this.#upstreams.endCurrent();
      this.#signal();
    });
    // Nobody waits for it if the connection ends first.
    opening.catch(() => {});
    while (isOpening && !this.#isOver) await this.#change();
    return this.#isOver ? undefined : await opening;
  }

  /** Ends the connection with this answer. Returns its length. */
  #endWith(refusal: HttpRefusal, buffer: Uint8Array): number {
    this.#end();
    const response = httpResponse(refusal);
    buffer.set(response.subarray(0, buffer.length));
    return Math.min(response.length, buffer.length);
  }

  async #write(data: Uint8Array): Promise<number> {
    await this.#repeating;
    const stream = this.#upstreams.current?.stream;
    if (stream === undefined) {
      // The rest of a request cannot be sent, so that no other one can follow it.
      this.#end();
      throw new Error("Cannot write to the upstream: it has ended");
    }
    return await (this.#repeatable?.send(data, stream) ?? stream.write(data));
  }

  #end(): void {
    this.#isOver = true;
    this.#responses.end();
    this.#signal();
  }

  /** Waits until something changes that another direction waits for. */
  #change(): Promise<void> {
    return (this.#changed ??= Promise.withResolvers()).promise;
  }

  #signal(): void {
    this.#changed?.resolve();
    this.#changed = undefined;
  }
}

/** Options of {@linkcode RequestRouter}. */
export interface RouterOptions extends Omit<ConnectionUpstreamsOptions, "onChange"> {
  /** Finds the route of a request of a connection whose last one had the route `last`. */
  readonly choose: (last: RouteChoice, next: NextRequest) => RouteChoice | HttpRefused;
}
