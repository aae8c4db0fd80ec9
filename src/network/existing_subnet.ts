import { type Cidr, cidrSize, formatIpv4, parseIpv4 } from "../lib/ipv4.ts";
import { BindError } from "../model/errors.ts";
import type { AddressDriver, PreparedSubnet, Support } from "./driver.ts";
import type { LoopbackOptions } from "./loopback.ts";
import { refuseOutside } from "./refuse_outside.ts";

/** An address for documentation (RFC 5737), which no machine has. */
const NOBODYS = "192.0.2.1";
const NONLOCAL =
  "this machine lets programs bind addresses that it does not have (net.ipv4.ip_nonlocal_bind)";

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

  /** The result has a `failure` unless it is certain that this machine has the subnet. */
  prepare(subnet: Cidr): Promise<PreparedSubnet> {
    this.#subnet = subnet;
    const { refusal, doubt } = this.#examine();
    const failure = refusal ?? doubt;
    return Promise.resolve(failure === undefined ? { subnet } : { subnet, failure });
  }

  /** A lack of descriptors or ports is none: it is temporary, and existing listeners must stay. */
  findProblem(): Promise<string | undefined> {
    return Promise.resolve(this.#examine().refusal);
  }

  ensure(addresses: readonly string[]): Promise<ReadonlyMap<string, string>> {
    return Promise.resolve(refuseOutside(addresses, this.#subnet));
  }

  release(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  /**
   * Binds the first usable address, one in the middle and the last usable one, and an address that
   * this machine cannot have.
   */
  #examine(): Examined {
    const { base } = this.#subnet;
    const size = cidrSize(this.#subnet);
    const offsets = [Math.min(2, size - 1), Math.floor(size / 2), Math.max(0, size - 2)];
    const own = offsets.map((offset) => this.#tryToBind(formatIpv4(base + offset)));
    const nobodys = this.#tryToBind(NOBODYS);
    const refusal = own.find(({ outcome }) => outcome === "refused")?.message;
    const doubt = [...own, nobodys].find(({ outcome }) => outcome === "unknown")?.message;
    return { refusal: refusal ?? (nobodys.outcome === "bound" ? NONLOCAL : undefined), doubt };
  }

  #tryToBind(address: string): Attempt {
    try {
      this.#listen({ address, port: 0 }).close();
      return { outcome: "bound" };
    } catch (error) {
      if (!(error instanceof BindError)) throw error;
      const { message, reason } = error;
      return { outcome: reason === "not_available" || reason === "denied" ? "refused" : "unknown", message };
    }
  }
}

interface Attempt {
  readonly outcome: "bound" | "refused" | "unknown";
  readonly message?: string;
}

interface Examined {
  /** The reason why this machine does not have the subnet, or nobody can tell. */
  readonly refusal: string | undefined;
  /** The reason why one of the attempts tells nothing. */
  readonly doubt: string | undefined;
}
