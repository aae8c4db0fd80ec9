import { DialError } from "../model/errors.ts";
import type { ByteStream } from "../system/byte_stream.ts";
import { withDeadline } from "../system/clock.ts";
import type { TlsDialOptions } from "../system/connect_tls.ts";
import type { System } from "../system/system.ts";
import { explainRefusal } from "./explain_refusal.ts";
import { IngressProbe, type IngressProbeOptions } from "./ingress_probe.ts";

/**
 * Connects to the ingress with the CAs of the trust set. If the ingress is not trusted, a probe may
 * learn its CA, and the dial is repeated; otherwise the error explains the reason.
 */
export class IngressDialer implements AsyncDisposable {
  readonly probe: IngressProbe;
  readonly #options: IngressDialerOptions;

  constructor(options: IngressDialerOptions) {
    this.#options = options;
    this.probe = new IngressProbe(options);
  }

  /**
   * Connects as {@linkcode System.connectTls} does.
   *
   * @throws {DialError} With the class of the failure.
   * @throws The signal's reason, if it aborts first.
   */
  async connect(options: TlsDialOptions): Promise<ByteStream> {
    const { hostname, port, timeoutMs, signal } = options;
    const { connect, trust } = this.#options;
    const target = { hostname, port };
    const end = performance.now() + timeoutMs;
    const leftMs = (): number => Math.max(1, end - performance.now());
    const { pems: caCerts, revision } = trust;
    const explain = (error: DialError): DialError =>
      explainRefusal(error, { target, probe: this.probe, hasCas: trust.cas.length > 0 });
    try {
      const stream = await connect({ ...options, caCerts });
      if (this.probe.isStale(target)) void this.probe.run(target, { isAwaited: false });
      return stream;
    } catch (error) {
      if (!isUntrusted(error)) throw error;
      await withDeadline(this.probe.run(target), { ms: leftMs(), signal, onTimeout: () => error });
      if (trust.revision === revision) throw explain(error);
      try {
        return await connect({ ...options, caCerts: trust.pems, timeoutMs: leftMs() });
      } catch (again) {
        throw isUntrusted(again) ? explain(again) : again;
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.probe[Symbol.asyncDispose]();
  }
}

/** Options of {@linkcode IngressDialer}. */
export interface IngressDialerOptions extends IngressProbeOptions {
  readonly connect: System["connectTls"];
}

function isUntrusted(error: unknown): error is DialError {
  return error instanceof DialError && error.code === "untrusted";
}
