import { abortQuietly, type ByteStream } from "../../system/byte_stream.ts";
import { withDeadline } from "../../system/clock.ts";
import { TURN_MS } from "../../system/turns.ts";
import type { FirstBytes } from "../first_bytes.ts";
import type { ClientStream } from "../pipe.ts";
import { ClientInput } from "./client_input.ts";
import type { FrameResult, RequestFramer } from "./frame_requests.ts";
import type { RequestHead } from "./parse_head.ts";
import { type HttpRefusal, httpResponse, lateRequest, sendRefusal } from "./refuse.ts";

const NOTHING: Uint8Array = new Uint8Array(0);

/**
 * The local client's side of a connection behind a framer: reads return only what the framer
 * passes. A refused request ends the reads, so that the responses to earlier requests still arrive.
 * The refusal follows them, unless the client would take it for a part of one of them.
 */
export class FramedStream implements ClientStream {
  readonly #inner: ByteStream;
  readonly #options: FramedOptions;
  readonly #input: ClientInput;
  #passed = NOTHING;
  #headSince: number | undefined;
  #refusal: HttpRefusal | undefined;
  #isStopped = false;
  /** True if the last read used its slice, so that the next one waits for a turn. */
  #usedSlice = false;

  constructor(inner: ByteStream, options: FramedOptions) {
    this.#inner = inner;
    this.#options = options;
    this.#input = new ClientInput(inner, options.initial);
  }

  async read(buffer: Uint8Array): Promise<number | null> {
    const { framer, answers, turn, closeTimeoutMs } = this.#options;
    let filled = 0;
    if (this.#usedSlice) await turn();
    this.#usedSlice = false;
    let sliceEnd = performance.now() + TURN_MS;
    while (filled < buffer.length) {
      if (this.#passed.length > 0) {
        filled += this.#takePassed(buffer, filled);
        continue;
      }
      if (this.#isStopped) return filled > 0 ? filled : null;
      const step = this.#step();
      if (step.kind === "pass") {
        this.#usedSlice = performance.now() > sliceEnd;
        if (filled > 0 && this.#usedSlice) return filled;
      } else if (filled > 0) return filled;
      else if (step.kind === "refuse") this.#stop(step.refusal);
      else if (step.kind === "more" && step.unseen > 0 && !this.#input.isReading) {
        this.#input.compact();
        const count = await this.#inner.read(buffer.subarray(0, step.unseen));
        if (count !== null) framer.countUnseen(count);
        return count;
      } else {
        if (step.kind === "switch") {
          framer.answerSwitch(await this.#input.during(answers.hasSwitched(), closeTimeoutMs));
        } else if (step.kind === "hold") await this.#prepare(step.head);
        else if (!(await this.#fill())) return null;
        // Only work counts, not the wait for the peer.
        sliceEnd = performance.now() + TURN_MS;
      }
    }
    return filled;
  }

  /**
   * Lets the framer decide about the input. Large bytes are handled in functions that do not wait,
   * because the variables of one that waits stay in memory.
   */
  #step(): Step {
    const input = this.#input.bytes;
    const step = this.#options.framer.next(input);
    if (step.kind !== "pass") return step;
    this.#passed = step.instead ?? input.subarray(0, step.count);
    this.#input.drop(step.count);
    this.#headSince = undefined;
    return { kind: "pass" };
  }

  /** Moves bytes that passed to the buffer; returns their number. */
  #takePassed(buffer: Uint8Array, offset: number): number {
    const part = this.#passed.subarray(0, buffer.length - offset);
    buffer.set(part, offset);
    const isAll = part.length === this.#passed.length;
    this.#passed = isAll ? NOTHING : this.#passed.subarray(part.length);
    return part.length;
  }

  async write(data: Uint8Array): Promise<number> {
    const count = await this.#inner.write(data);
    this.#input.noteSent();
    return count;
  }

  async closeWrite(): Promise<void> {
    const { answers, framer } = this.#options;
    // The endpoint may have got a part of a request whose body is refused.
    const mayRefuse = this.#refusal !== undefined && answers.areWhole({ but: framer.inHead ? 0 : 1 });
    if (!mayRefuse) return await this.#inner.closeWrite();
    await sendRefusal(this.#inner, httpResponse(this.#refusal!), { lingerMs: this.#options.lingerMs });
  }

  close(): void {
    this.#inner.close();
  }

  async abort(): Promise<void> {
    await abortQuietly(this.#inner);
  }

  get isRefused(): boolean {
    return this.#isStopped;
  }

  async isPeerAlive(idleMs: number): Promise<boolean> {
    // A refused client waits for no answer of the endpoint.
    if (this.isRefused) return false;
    return await this.#inner.isPeerAlive?.(idleMs) ?? false;
  }

  /** Ends the reads, with a refusal if the client gets one. */
  #stop(refusal: HttpRefusal | undefined): void {
    this.#refusal = refusal;
    this.#isStopped = true;
    this.#options.answers.stop({ inBody: !this.#options.framer.inHead });
  }

  async #prepare(head: RequestHead): Promise<void> {
    const { answers, closeTimeoutMs } = this.#options;
    const refusal = await this.#input.during(answers.prepare(head), closeTimeoutMs);
    if (refusal === "end") this.#stop(undefined);
    else if (refusal !== undefined) this.#stop(refusal);
  }

  /** Reads more input; returns false at the end of the stream. */
  async #fill(): Promise<boolean> {
    const { framer, headTimeoutMs } = this.#options;
    const reading = this.#input.readMore(framer.maxInputBytes);
    if (!(framer.inHead || framer.inTrailers) || this.#input.bytes.length === 0) return await reading;
    this.#headSince ??= performance.now();
    const leftMs = this.#headSince + headTimeoutMs - performance.now();
    try {
      return await withDeadline(reading, { ms: leftMs, onTimeout: () => new LateHead() });
    } catch (error) {
      if (!(error instanceof LateHead)) throw error;
      this.#stop(lateRequest(framer.inHead ? "head" : "trailers", headTimeoutMs));
      return true;
    }
  }
}

/** Options of {@linkcode FramedStream}. */
export interface FramedOptions {
  readonly framer: RequestFramer;
  /** Waits for a turn of the client, after a read that spent {@linkcode TURN_MS} on requests. */
  readonly turn: () => Promise<void>;
  /** Bytes that were read before; they come first. */
  readonly initial: FirstBytes;
  readonly answers: Answers;
  /** Returns the time between two checks of a client that ended while its request waits. */
  readonly closeTimeoutMs: () => number;
  /** The time limit from the first byte of a head, or of a line of trailers, to its last. */
  readonly headTimeoutMs: number;
  /** The time in which a refused client must read the reason. */
  readonly lingerMs: number;
}

/** The other direction of the client's connection. */
export interface Answers {
  /**
   * Prepares for a request that was held. Resolves to undefined if it may pass now, a refusal if it
   * may not, and `end` if no answer to it could follow the earlier ones.
   */
  prepare(head: RequestHead): Promise<HttpRefusal | "end" | undefined>;
  /** Resolves when the server has answered a request to switch protocols: true if it did. */
  hasSwitched(): Promise<boolean>;
  /**
   * Notes that no further request comes, although the client has not ended. `inBody` is true if a
   * part of the last one has passed, but no more of it does.
   */
  stop(options: { inBody: boolean }): void;
  /** Returns true if another answer may follow: all are whole, but for this number not begun. */
  areWhole(options: { but: 0 | 1 }): boolean;
}

type Step = { readonly kind: "pass" } | Exclude<FrameResult, { kind: "pass" }>;

class LateHead extends Error {}
