/** The parameters of each fault switch; {@linkcode FAULTS} says what it does. */
export interface FaultParameters {
  error: { status: number; code?: string; message?: string; retryAfter?: string };
  html: { status: number };
  text_body: { text: string; status?: number };
  empty_body: NoParameters;
  slow_body: { msPerByte: number };
  delay: { ms: number };
  cut_body: { bytes: number };
  huge_body: { bytes: number };
  redirect: { location: string; status?: number };
  reset: NoParameters;
  never_answer: NoParameters;

  next_page_uri: { value: NextPage };
  stale_entries: { urls?: string[] };
  missing_url: { both?: boolean };
  default_ports_kept: NoParameters;
  extra_fields: NoParameters;
  duplicates: NoParameters;
  empty_list: NoParameters;
  short_certificate: { lifetimeMs: number };
  wrong_key_certificate: NoParameters;
  empty_certificate: NoParameters;
  certificate_chain: NoParameters;
  ingress_endpoint: { value: string | null };

  "ingress.stall": NoParameters;
  "ingress.reset": { stage: "accept" | "handshake" | "response" } | { stage: "stream"; afterBytes: number };
  "ingress.tls": { version: "1.2" | "1.3" };
  "ingress.untrusted_ca": NoParameters;
  "ingress.expired_certificate": NoParameters;
  "ingress.wrong_name": NoParameters;
  "ingress.revoked": NoParameters;
  "ingress.silent": NoParameters;
  "ingress.delay": { ms: number };
  "ingress.eof_before_length": NoParameters;
  "ingress.one_length_byte": NoParameters;
  "ingress.partial_frame": NoParameters;
  "ingress.malformed": { vector: "N2" | "N3" | "N4" | "N5" | "N6" };
  "ingress.huge_length": NoParameters;
  "ingress.zero_length": NoParameters;
  "ingress.notices": { notices: string[] };
  "ingress.unknown_fields": NoParameters;
  "ingress.error": { code: string; message: string };
  "ingress.error_code_only": { code: string };
  "ingress.error_message_only": { message: string };
  "ingress.joined": { data?: string };
  "ingress.byte_by_byte": NoParameters;
  "ingress.half_close": NoParameters;
}

/** The table of fault switches: what the simulated cloud does while a fault is on. */
export const FAULTS: Readonly<Record<FaultKind, string>> = {
  // The API's answer as a whole.
  error: "answers with an error body (docs/protocol.md 1.3); retryAfter is any text",
  html: "answers with an HTML page, as a proxy does",
  text_body: "answers with this text as the body",
  empty_body: "answers without a body",
  slow_body: "sends the real body one byte at a time",
  delay: "sends the real answer later",
  cut_body: "sends the real head and so many bytes of the body, then closes",
  huge_body: "sends so many bytes of white space before the real body",
  redirect: "answers with a redirect",
  reset: "resets the TCP connection instead of answering",
  never_answer: "keeps the connection open and never answers",

  // The content of an otherwise good answer.
  next_page_uri:
    "replaces the link to the next page; endless repeats the entries, endless_fresh invents new ones",
  stale_entries: "also lists endpoints that no longer exist",
  missing_url: "leaves url out, or url and public_url",
  default_ports_kept: "keeps default ports in url and public_url",
  extra_fields: "adds unknown fields to every object",
  duplicates: "lists every entry twice",
  empty_list: "lists nothing",
  short_certificate: "issues a certificate with this lifetime",
  wrong_key_certificate: "issues a certificate for another key",
  empty_certificate: "returns an empty certificate",
  certificate_chain: "returns the certificate with its chain",
  ingress_endpoint: "returns this binding.ingress_endpoint; null leaves it out",

  // The ingress.
  "ingress.stall": "accepts TCP and does nothing else",
  "ingress.reset":
    "resets the connection at this stage, or after so many bytes of the stream, in and out together",
  "ingress.tls": "speaks this TLS version only",
  "ingress.untrusted_ca": "presents a certificate of another CA",
  "ingress.expired_certificate": "presents an expired certificate",
  "ingress.wrong_name": "presents a certificate for another name",
  "ingress.revoked": "treats the client's certificate as revoked",
  "ingress.silent": "reads the request and never answers",
  "ingress.delay": "answers later",
  "ingress.eof_before_length": "closes instead of sending the length (N8)",
  "ingress.one_length_byte": "closes after one byte of the length (N7)",
  "ingress.partial_frame": "closes in the middle of the frame (N1)",
  "ingress.malformed": "sends this malformed frame and closes",
  "ingress.huge_length": "sends a length of 65535 and nothing else",
  "ingress.zero_length": "sends the empty message (R8), then the stream",
  "ingress.notices": "adds these notices to the response",
  "ingress.unknown_fields": "adds the unknown fields of R7 to the response",
  "ingress.error": "refuses with this code and message",
  "ingress.error_code_only": "refuses with this code and no message",
  "ingress.error_message_only": "refuses with this message and no code",
  "ingress.joined": "sends the response and the first data, or the backend's first bytes, in one record",
  "ingress.byte_by_byte": "sends the response one byte at a time",
  "ingress.half_close": "ends its direction after the response and reads on",
};

/** Any fault, with its limits. */
export type Fault = { [K in FaultKind]: { kind: K } & FaultParameters[K] & FaultLimits }[FaultKind];

/** The name of a fault. */
export type FaultKind = keyof FaultParameters;

/** The limits of a fault. */
export interface FaultLimits {
  /** The only API call that it applies to. @default All of them. */
  route?: ApiRoute;
  /** The only host name of an upgrade request that it applies to. @default All of them. */
  host?: string;
  /** The number of times that it applies. @default Until it is cleared. */
  times?: number;
  /** The number of chances to apply that it skips first. @default {0} */
  after?: number;
}

/** The API calls that a fault can be limited to. */
export type ApiRoute =
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

/** A moment at which a fault can apply. */
export interface FaultMoment {
  route?: ApiRoute;
  host?: string;
  /** The stage of a connection, for `ingress.reset`. */
  stage?: "accept" | "handshake" | "response" | "stream";
}

/** Forms of the real link to the next page, and links that a client must not follow. */
type NextPage =
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

// deno-lint-ignore ban-types
type NoParameters = {};

interface ActiveFault {
  fault: Fault;
  timesLeft: number;
  toSkip: number;
}

/** The faults that are switched on. Of several with one kind the first that applies is taken. */
export class Faults {
  #active: ActiveFault[] = [];

  /**
   * Switches faults on; the result switches them off.
   *
   * @throws {RangeError} If a kind is unknown.
   */
  set(...faults: Fault[]): () => void {
    for (const { kind } of faults) {
      if (!Object.hasOwn(FAULTS, kind)) throw new RangeError(`Cannot set the fault ${kind}: no such kind`);
    }
    const added = faults.map((fault) => ({
      fault,
      timesLeft: fault.times ?? Infinity,
      toSkip: fault.after ?? 0,
    }));
    this.#active.push(...added);
    return () => {
      this.#active = this.#active.filter((active) => !added.includes(active));
    };
  }

  /** Switches off all faults, or those of one kind. */
  clear(kind?: FaultKind): void {
    this.#active = kind === undefined ? [] : this.#active.filter(({ fault }) => fault.kind !== kind);
  }

  /** The faults that are on and can still apply. */
  list(): Fault[] {
    return this.#active.map(({ fault }) => fault);
  }

  /** The fault of this kind that applies at this moment, if any; counts it. */
  take<K extends FaultKind>(kind: K, moment: FaultMoment = {}): Extract<Fault, { kind: K }> | undefined {
    for (const active of this.#active) {
      const { fault } = active;
      if (fault.kind !== kind) continue;
      if (fault.route !== undefined && fault.route !== moment.route) continue;
      if (fault.host !== undefined && fault.host !== moment.host) continue;
      if ("stage" in fault && fault.stage !== moment.stage) continue;
      if (active.toSkip > 0) {
        active.toSkip--;
        continue;
      }
      if (--active.timesLeft <= 0) this.#active = this.#active.filter((other) => other !== active);
      return fault as Extract<Fault, { kind: K }>;
    }
    return undefined;
  }

  /** The first fault of any of these kinds that applies at this moment. */
  takeFirst<K extends FaultKind>(
    kinds: readonly K[],
    moment: FaultMoment = {},
  ): Extract<Fault, { kind: K }> | undefined {
    for (const kind of kinds) {
      const fault = this.take(kind, moment);
      if (fault !== undefined) return fault as Extract<Fault, { kind: K }>;
    }
    return undefined;
  }
}
