import type { ByteStream } from "../system/byte_stream.ts";
import type { RouteChoice } from "./choose_route.ts";
import type { CountedUpstream } from "./counted_upstream.ts";

const BUFFER_BYTES = 16_384;
const NOTHING = new Uint8Array(0);

/**
 * An upstream of a connection that has several. Its next bytes are read ahead, into a buffer of its
 * own, so that its end is noticed while it is kept for later requests.
 */
export class UpstreamReader implements Disposable {
  readonly choice: RouteChoice;
  readonly #upstream: CountedUpstream;
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  readonly #onChange: () => void;
  #bytes: Uint8Array;
  #end: UpstreamEnd | undefined;
  #isReading = false;
  #isDisposed = false;
  /** The time of its last request, by `performance.now()`. Undefined before the first one. */
  usedAt: number | undefined;

  constructor(choice: RouteChoice, options: UpstreamReaderOptions) {
    this.choice = choice;
    this.#upstream = options.upstream;
    this.#onChange = options.onChange;
    this.#bytes = options.upstream.early;
  }

  get stream(): ByteStream {
    return this.#upstream.stream;
  }

  get meter(): CountedUpstream["meter"] {
    return this.#upstream.meter;
  }

  /** The bytes that have come and were not taken. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** The end of the upstream, behind `bytes`. */
  get end(): UpstreamEnd | undefined {
    return this.#end;
  }

  /** True if a kept upstream has ended, or sends what nobody asked for. */
  get isSpoilt(): boolean {
    return this.#end !== undefined || this.#bytes.length > 0;
  }

  /** Reads the next bytes if there are none. `onChange` is called when they have come. */
  readAhead(): void {
    if (this.#isReading || this.isSpoilt) return;
    this.#isReading = true;
    this.stream.read(this.#buffer).then(
      (count) => this.#take(count === null ? { error: undefined } : this.#buffer.subarray(0, count)),
      (error) => this.#take({ error }),
    );
  }

  /** Takes bytes from the front of `bytes`. */
  take(count: number): void {
    this.#bytes = count === this.#bytes.length ? NOTHING : this.#bytes.subarray(count);
  }

  /** Ends the upstream, because it sends what nobody asked for. */
  spoil(): void {
    this.#bytes = NOTHING;
    this.#end = { error: undefined };
    this[Symbol.dispose]();
  }

  #take(result: Uint8Array | UpstreamEnd): void {
    this.#isReading = false;
    if (this.#isDisposed) return;
    if (result instanceof Uint8Array) this.#bytes = result;
    else this.#end = result;
    this.#onChange();
  }

  [Symbol.dispose](): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    this.#upstream[Symbol.dispose]();
  }
}

/** Options of {@linkcode UpstreamReader}. */
export interface UpstreamReaderOptions {
  readonly upstream: CountedUpstream;
  /** Called when bytes or the end have come. */
  readonly onChange: () => void;
}

/** The end of an upstream: an orderly one has no error. */
export interface UpstreamEnd {
  readonly error: unknown;
}
