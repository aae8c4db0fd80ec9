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
  const target = access.ingress();
  // The substitute needs the larger part: the gate lets no dial with less time through.
  const isShared = options.timeoutMs > 2 * FIRST_MS && access.substitutes?.mayReplace(target) === true;
  const limit = isShared ? { timeoutMs: FIRST_MS, minMs: 0 } : {};
  try {
    return await dialTarget(target, { access, ...options, ...limit });
  } catch (error) {
    const next = error instanceof DialError ? access.substitutes?.afterFailure(target, error) : undefined;
    if (next === undefined) throw error;
    try {
      return await dialTarget(next, { access, ...options, timeoutMs: end - performance.now() });
    } catch (again) {
      if (again instanceof DialError) access.substitutes?.afterFailure(next, again);
      throw options.signal.aborted ? again : error;
    }
  }
}

async function dialTarget(
  target: IngressTarget,
  options: DialOptions & { readonly access: IngressAccess; readonly minMs?: number },
): Promise<ByteStream> {
  const { access, timeoutMs, minMs, signal, gate, holder } = options;
  const { hostname, port } = target;
  const pair = access.clientPair();
  if (pair === undefined) {
    throw new DialError(`Cannot connect to ${hostname}:${port}: there is no certificate yet`, {
      code: "identity",
      hint: "See the state of the registration: ngrokctl status",
    });
  }
  const { cert, key } = pair;
  const stream = await gate.pass(`${hostname}:${port}`, {
    timeoutMs,
    minMs,
    signal,
    holder,
    dial: (gated) =>
      access.connect({
        hostname,
        port,
        cert,
        key,
        caCerts: access.trust(),
        proxy: access.proxy?.(),
        signal,
        ...gated,
      }),
  });
  access.substitutes?.answered(target);
  return stream;
}

/**
 * The parts that a connection to the ingress is made from. Each connection reads them again, so
 * that a renewal or a reload takes effect at once.
 */
export interface IngressAccess {
  readonly connect: (options: TlsDialOptions) => Promise<ByteStream>;
  readonly ingress: () => IngressTarget;
  /** Decides what is dialled instead of an ingress that cannot be reached. @default Nothing */
  readonly substitutes?: {
    /** Returns true if another ingress would be tried after this one. */
    mayReplace(target: IngressTarget): boolean;
    /** Returns the ingress to try after this one has failed; undefined if there is none. */
    afterFailure(target: IngressTarget, error: DialError): IngressTarget | undefined;
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
