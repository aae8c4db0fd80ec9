import { type Cidr, cidrSize, formatCidr, formatIpv4, LOOPBACK } from "../lib/ipv4.ts";
import { BindError } from "../model/errors.ts";
import type { AddressDriver, PreparedSubnet, Support } from "./driver.ts";
import { toLoopbackSubnet } from "./loopback_subnet.ts";
import { refuseOutside } from "./refuse_outside.ts";

const TEST_ADDRESS = formatIpv4(LOOPBACK.base + 2);

/** Addresses of 127.0.0.0/8, all of which exist on Linux and Windows. */
export class Loopback implements AddressDriver {
  readonly kind = "loopback";
  readonly #listen: LoopbackOptions["listen"];
  #subnet: Cidr = LOOPBACK;

  constructor(options: LoopbackOptions) {
    this.#listen = options.listen;
  }

  supported(): Support {
    const reason = this.#tryToBind(TEST_ADDRESS);
    if (reason === undefined) return { supported: true };
    return { supported: false, reason: `Cannot use loopback addresses other than 127.0.0.1: ${reason}` };
  }

  prepare(subnet: Cidr): Promise<PreparedSubnet> {
    this.#subnet = toLoopbackSubnet(subnet);
    if (this.#subnet === subnet) return Promise.resolve({ subnet });
    const [used, asked] = [formatCidr(this.#subnet), formatCidr(subnet)];
    const reason = `${used} is used instead of ${asked}: only loopback addresses are available`;
    return Promise.resolve({ subnet: this.#subnet, reason });
  }

  findProblem(): Promise<string | undefined> {
    const offset = Math.min(2, cidrSize(this.#subnet) - 1);
    return Promise.resolve(this.#tryToBind(formatIpv4(this.#subnet.base + offset)));
  }

  ensure(addresses: readonly string[]): Promise<ReadonlyMap<string, string>> {
    return Promise.resolve(refuseOutside(addresses, this.#subnet));
  }

  release(): Promise<undefined> {
    return Promise.resolve(undefined);
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

/** Options of {@linkcode Loopback}. */
export interface LoopbackOptions {
  /** Opens a TCP listener (port 0: any free one). @throws {BindError} */
  readonly listen: (where: { address: string; port: number }) => { close(): void };
}
