import { type Cidr, cidrSize, formatIpv4, parseIpv4 } from "../lib/ipv4.ts";
import { BindError } from "../model/errors.ts";
import type { AddressDriver, PreparedSubnet, Support } from "./driver.ts";
import type { LoopbackOptions } from "./loopback.ts";
import { refuseOutside } from "./refuse_outside.ts";

/** An address for documentation (RFC 5737), which no machine has. */
const NOBODYS = "192.0.2.1";

/**
 * A subnet whose addresses somebody else, such as a systemd unit, has given to this machine. It
 * changes nothing, and needs neither a right nor a program.
 */
export class ExistingSubnet implements AddressDriver {
  readonly kind = "existing_subnet";
  readonly #listen: LoopbackOptions["listen"];
  #subnet: Cidr = { base: parseIpv4(NOBODYS)!, prefix: 32 };

  constructor({ listen }: LoopbackOptions) {
    this.#listen = listen;
  }

  supported(): Support {
    return { supported: true };
  }

  /** The result has a `failure` if this machine does not have the subnet. */
  prepare(subnet: Cidr): Promise<PreparedSubnet> {
    this.#subnet = subnet;
    const failure = this.#problem();
    return Promise.resolve(failure === undefined ? { subnet } : { subnet, failure });
  }

  findProblem(): Promise<string | undefined> {
    return Promise.resolve(this.#problem());
  }

  ensure(addresses: readonly string[]): Promise<ReadonlyMap<string, string>> {
    return Promise.resolve(refuseOutside(addresses, this.#subnet));
  }

  release(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  /** Binds the first usable address, one in the middle and the last usable one. */
  #problem(): string | undefined {
    const { base } = this.#subnet;
    const size = cidrSize(this.#subnet);
    const offsets = [Math.min(2, size - 1), Math.floor(size / 2), Math.max(0, size - 2)];
    for (const offset of offsets) {
      const problem = this.#tryToBind(formatIpv4(base + offset));
      if (problem !== undefined) return problem;
    }
    if (this.#tryToBind(NOBODYS) !== undefined) return undefined;
    return "this machine lets programs bind addresses that it does not have (net.ipv4.ip_nonlocal_bind)";
  }

  #tryToBind(address: string): string | undefined {
    try {
      this.#listen({ address, port: 0 }).close();
      return undefined;
    } catch (error) {
      if (!(error instanceof BindError)) throw error;
      // A lack of descriptors or ports is temporary: existing listeners must stay.
      return error.reason === "not_available" || error.reason === "denied" ? error.message : undefined;
    }
  }
}
