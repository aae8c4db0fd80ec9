import { DialError } from "../model/errors.ts";
import type { IngressTarget } from "../model/ingress_target.ts";
import type { Proxy } from "../model/proxy.ts";
import type { ByteStream } from "../system/byte_stream.ts";
import type { TlsDialOptions } from "../system/connect_tls.ts";
import type { DialGate } from "./admission/dial_gate.ts";

/** The time that an ingress with a substitute has: a firewall may drop what is sent to it. */
const FIRST_MS = 4000;

/**
 * Opens a connection to the ingress with mutual TLS, or to its substitute if it cannot be reached.
 *
 * @throws {DialError} If there is no certificate yet, as {@linkcode DialGate.pass}, or as
 * `connect`.
 * @throws The signal's reason, if it aborts first.
 */
export async function dialIngress(access: IngressAccess, options: DialOptions): Promise<ByteStream> {
  const end = performance.now() + options.timeoutMs;
  const target = access.substitutes?.choose() ?? access.ingress();
  const first = await tryTarget(target, { access, ...options });
  if ("stream" in first) return first.stream;
  if (first.next === undefined) throw first.error;
  const second = await tryTarget(first.next, {
    access,
    ...options,
    timeoutMs: end - performance.now(),
    isLast: true,
  });
  if ("stream" in second) return second.stream;
  throw options.signal.aborted ? second.error : first.error;
}

/** Dials one ingress, and notes the result. A dial begins when the gate lets it through. */
async function tryTarget(target: IngressTarget, options: TryOptions): Promise<Tried> {
  const { access, isLast = false, ...limits } = options;
  const { substitutes } = access;
  const { hostname, port } = target;
  const pair = access.clientPair();
  if (pair === undefined) {
    const error = new DialError(`Cannot connect to ${hostname}:${port}: there is no certificate yet`, {
      code: "identity",
      hint: "See the state of the registration: ngrokctl status",
    });
    return { error, next: undefined };
  }
  const { cert, key } = pair;
  let startedAt = performance.now();
  try {
    const stream = await limits.gate.pass(`${hostname}:${port}`, {
      ...limits,
      dial: (gated) => {
        startedAt = performance.now();
        // The substitute needs the larger part: the gate lets no dial with less time through.
        const isShared = !isLast && gated.timeoutMs > 2 * FIRST_MS && substitutes?.mayReplace(target);
        return access.connect({
          hostname,
          port,
          cert,
          key,
          caCerts: access.trust(),
          proxy: access.proxy?.(),
          signal: limits.signal,
          ...gated,
          timeoutMs: isShared ? FIRST_MS : gated.timeoutMs,
        });
      },
    });
    substitutes?.answered(target);
    return { stream };
  } catch (error) {
    if (!(error instanceof DialError)) return { error, next: undefined };
    return { error, next: substitutes?.afterFailure(target, { error, startedAt }) };
  }
}

interface TryOptions extends DialOptions {
  readonly access: IngressAccess;
  /** True if nothing is tried after this one. @default {false} */
  readonly isLast?: boolean;
}

/** A connection, or the reason why there is none and the ingress to try next. */
type Tried = { readonly stream: ByteStream } | {
  readonly error: unknown;
  readonly next: IngressTarget | undefined;
};

/**
 * The parts that a connection to the ingress is made from. Each connection reads them again, so
 * that a renewal or a reload takes effect at once.
 */
export interface IngressAccess {
  readonly connect: (options: TlsDialOptions) => Promise<ByteStream>;
  readonly ingress: () => IngressTarget;
  /** Decides what is dialled instead of an ingress that cannot be reached. @default Nothing */
  readonly substitutes?: {
    /** Returns the ingress for one dial. */
    choose(): IngressTarget;
    /** Returns true if another ingress would be tried after this one. */
    mayReplace(target: IngressTarget): boolean;
    /** Returns the ingress to try after this one has failed; undefined if there is none. */
    afterFailure(
      target: IngressTarget,
      failed: { readonly error: DialError; readonly startedAt: number },
    ): IngressTarget | undefined;
    answered(target: IngressTarget): void;
  };
  /** Undefined until there is a certificate. */
  readonly clientPair: () => ClientPair | undefined;
  /** The proxy to the ingress. @default None */
  readonly proxy?: () => Proxy | undefined;
  /** CAs to trust in addition to the runtime's own, PEM. */
  readonly trust: () => readonly string[];
}

/** The client certificate and its key, PEM. */
export interface ClientPair {
  readonly cert: string;
  readonly key: string;
}

/** Options of {@linkcode dialIngress}. */
export interface DialOptions {
  /** The time limit of TCP connect and TLS handshake together. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly gate: DialGate;
  /** The endpoint or network that the connection is for. */
  readonly holder: string;
}
