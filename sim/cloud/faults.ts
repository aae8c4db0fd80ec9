/** The API calls that a fault can be limited to. */
export type Route =
  | "operators.create"
  | "operators.get"
  | "operators.update"
  | "operators.delete"
  | "operators.list"
  | "bound_endpoints.list"
  | "endpoints.list"
  | "endpoints.create"
  | "endpoints.get"
  | "endpoints.update"
  | "endpoints.delete";

/** What goes wrong with an API answer as a whole, before or instead of the real one. */
export type AnswerFault =
  /** An error body of PROTOCOL.md 1.3 instead of the answer; `retryAfter` is any text. */
  | { kind: "error"; status: number; code?: string; message?: string; retryAfter?: string }
  /** An HTML page, as a proxy would send it. */
  | { kind: "html"; status: number }
  /** Some other text as the body. */
  | { kind: "text_body"; text: string; status?: number }
  | { kind: "empty_body" }
  /** The real body, one byte per so many milliseconds. */
  | { kind: "slow_body"; msPerByte: number }
  /** The real answer, later. */
  | { kind: "delay"; ms: number }
  /** The real head and so many bytes of the body, then the end of the connection. */
  | { kind: "cut_body"; bytes: number }
  /** The real answer with so many extra bytes of white space in front. */
  | { kind: "huge_body"; bytes: number }
  | { kind: "redirect"; location: string; status?: number }
  /** A TCP reset instead of an answer. */
  | { kind: "reset" }
  | { kind: "never_answer" };

/** What goes wrong inside an otherwise good answer. */
export type ContentFault =
  | {
    kind: "next_page_uri";
    /**
     * Forms of the real link: null, "", left out, relative, absolute. Traps: another host, a file: URL, the same page again, and
     * pages without end ("endless" repeats the entries under ever new links, "endless_fresh" invents new ones).
     */
    value:
      | "null"
      | "empty"
      | "absent"
      | "relative"
      | "absolute"
      | "other_host"
      | "file"
      | "loop"
      | "endless"
      | "endless_fresh";
  }
  /** Endpoints that do not exist any more are listed as well. */
  | { kind: "stale_entries"; urls?: string[] }
  /** `url` is left out, or `url` and `public_url` both. */
  | { kind: "missing_url"; both?: boolean }
  /** Default ports are not stripped from `url` and `public_url`. */
  | { kind: "default_ports_kept" }
  | { kind: "extra_fields" }
  /** Every entry is listed twice. */
  | { kind: "duplicates" }
  | { kind: "empty_list" }
  | { kind: "short_certificate"; lifetimeMs: number }
  | { kind: "wrong_key_certificate" }
  | { kind: "empty_certificate" }
  | { kind: "certificate_chain" }
  /** Null leaves `binding.ingress_endpoint` out. */
  | { kind: "ingress_endpoint"; value: string | null };

/** What goes wrong at the ingress. */
export type IngressFault =
  /** TCP is accepted, nothing else happens. */
  | { kind: "ingress.stall" }
  | { kind: "ingress.reset"; stage: "accept" | "handshake" | "response" }
  /** Resets after so many bytes of the stream, both directions together. */
  | { kind: "ingress.reset"; stage: "stream"; afterBytes: number }
  | { kind: "ingress.tls"; version: "1.2" | "1.3" }
  | { kind: "ingress.untrusted_ca" }
  | { kind: "ingress.expired_certificate" }
  | { kind: "ingress.wrong_name" }
  /** The client's certificate counts as revoked. */
  | { kind: "ingress.revoked" }
  /** The request is read, nothing is answered. */
  | { kind: "ingress.silent" }
  /** The answer, later. */
  | { kind: "ingress.delay"; ms: number }
  /** EOF instead of the length (N8). */
  | { kind: "ingress.eof_before_length" }
  /** One byte of the length, then EOF (N7). */
  | { kind: "ingress.one_length_byte" }
  /** A frame that ends early (N1). */
  | { kind: "ingress.partial_frame" }
  | { kind: "ingress.malformed"; vector: "N2" | "N3" | "N4" | "N5" | "N6" }
  /** A length of 65535, then silence. */
  | { kind: "ingress.huge_length" }
  /** The empty message (R8), then the stream. */
  | { kind: "ingress.zero_length" }
  | { kind: "ingress.notices"; notices: string[] }
  /** Fields that no client knows, as in R7. */
  | { kind: "ingress.unknown_fields" }
  | { kind: "ingress.error"; code: string; message: string }
  | { kind: "ingress.error_code_only"; code: string }
  | { kind: "ingress.error_message_only"; message: string }
  /** Response and first data in one record: `data`, or else the first bytes of a backend that speaks first. */
  | { kind: "ingress.joined"; data?: string }
  | { kind: "ingress.byte_by_byte" }
  /** After the response the cloud ends its direction and reads on. */
  | { kind: "ingress.half_close" };

/** Any fault, with what it is limited to. */
export type Fault =
  & (AnswerFault | ContentFault | IngressFault)
  & {
    /** Only this API call; absent: all of them. */
    route?: Route;
    /** Only this host name of the request frame. */
    host?: string;
    /** How often it strikes; absent: until it is cleared. */
    times?: number;
    /** How many chances it lets pass first. */
    after?: number;
  };

/** The name of a fault. */
export type FaultKind = Fault["kind"];

/** Where a fault could strike. */
export interface FaultPlace {
  route?: Route;
  host?: string;
  /** Which `ingress.reset` is meant. */
  stage?: "accept" | "handshake" | "response" | "stream";
}

/** Every kind; a record, so that the compiler misses none. */
const KINDS: Record<FaultKind, true> = {
  error: true,
  html: true,
  text_body: true,
  empty_body: true,
  slow_body: true,
  delay: true,
  cut_body: true,
  huge_body: true,
  redirect: true,
  reset: true,
  never_answer: true,
  next_page_uri: true,
  stale_entries: true,
  missing_url: true,
  default_ports_kept: true,
  extra_fields: true,
  duplicates: true,
  empty_list: true,
  short_certificate: true,
  wrong_key_certificate: true,
  empty_certificate: true,
  certificate_chain: true,
  ingress_endpoint: true,
  "ingress.stall": true,
  "ingress.reset": true,
  "ingress.tls": true,
  "ingress.untrusted_ca": true,
  "ingress.expired_certificate": true,
  "ingress.wrong_name": true,
  "ingress.revoked": true,
  "ingress.silent": true,
  "ingress.delay": true,
  "ingress.eof_before_length": true,
  "ingress.one_length_byte": true,
  "ingress.partial_frame": true,
  "ingress.malformed": true,
  "ingress.huge_length": true,
  "ingress.zero_length": true,
  "ingress.notices": true,
  "ingress.unknown_fields": true,
  "ingress.error": true,
  "ingress.error_code_only": true,
  "ingress.error_message_only": true,
  "ingress.joined": true,
  "ingress.byte_by_byte": true,
  "ingress.half_close": true,
};

/** Every kind there is. */
export const FAULT_KINDS = Object.keys(KINDS) as readonly FaultKind[];

interface Planned {
  fault: Fault;
  left: number;
  wait: number;
}

/** The faults that are switched on. Of several with one kind the first that applies strikes. */
export class Faults {
  #planned: Planned[] = [];

  /** Switches faults on; the result switches these off again. @throws {RangeError} for a kind that does not exist. */
  set(...faults: Fault[]): () => void {
    for (const { kind } of faults) {
      if (!Object.hasOwn(KINDS, kind)) throw new RangeError(`Cannot set the fault ${kind}: no such kind`);
    }
    const added = faults.map((fault) => ({ fault, left: fault.times ?? Infinity, wait: fault.after ?? 0 }));
    this.#planned.push(...added);
    return () => {
      this.#planned = this.#planned.filter((planned) => !added.includes(planned));
    };
  }

  /** Switches all faults off, or those of one kind. */
  clear(kind?: FaultKind): void {
    this.#planned = kind === undefined ? [] : this.#planned.filter(({ fault }) => fault.kind !== kind);
  }

  /** The faults that are on and have not used up their `times`. */
  list(): Fault[] {
    return this.#planned.map(({ fault }) => fault);
  }

  /** The fault of this kind that strikes here, if any; counts it. */
  take<K extends FaultKind>(
    kind: K,
    place: FaultPlace = {},
  ): Extract<Fault, { kind: K }> | undefined {
    for (const planned of this.#planned) {
      const { fault } = planned;
      if (fault.kind !== kind) continue;
      if (fault.route !== undefined && fault.route !== place.route) continue;
      if (fault.host !== undefined && fault.host !== place.host) continue;
      if ("stage" in fault && fault.stage !== place.stage) continue;
      if (planned.wait > 0) {
        planned.wait--;
        continue;
      }
      if (--planned.left <= 0) this.#planned = this.#planned.filter((other) => other !== planned);
      return fault as Extract<Fault, { kind: K }>;
    }
    return undefined;
  }

  /** The first fault of any of these kinds that strikes here. */
  takeFirst<K extends FaultKind>(
    kinds: readonly K[],
    place: FaultPlace = {},
  ): Extract<Fault, { kind: K }> | undefined {
    for (const kind of kinds) {
      const fault = this.take(kind, place);
      if (fault !== undefined) return fault as Extract<Fault, { kind: K }>;
    }
    return undefined;
  }
}
