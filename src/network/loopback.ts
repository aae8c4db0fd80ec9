import { type Cidr, cidrContains, cidrSize, formatCidr, formatIpv4 } from "../lib/ipv4.ts";
import { BindError } from "../model/errors.ts";
import type { AddressDriver, PreparedSubnet, Support } from "./driver.ts";
import { refuseOutside } from "./refuse_outside.ts";

/** 127.0.0.0/8. */
export const LOOPBACK: Cidr = { base: 127 * 2 ** 24, prefix: 8 };
const PROBE = formatIpv4(LOOPBACK.base + 2);

/** What {@linkcode Loopback} is made with. */
export interface LoopbackOptions {
  /** Opens a TCP listener (port 0: any free one). @throws {BindError} */
  readonly listen: (where: { address: string; port: number }) => { close(): void };
}

/** Addresses of 127.0.0.0/8, which need nothing where the system has them all (Linux, Windows). */
export class Loopback implements AddressDriver {
  readonly kind = "loopback";
  readonly #listen: LoopbackOptions["listen"];
  #subnet: Cidr = LOOPBACK;

  constructor(options: LoopbackOptions) {
    this.#listen = options.listen;
  }

  supported(): Support {
    const reason = this.#whyNot(PROBE);
    if (reason === undefined) return { supported: true };
    return { supported: false, reason: `Loopback addresses beside 127.0.0.1 cannot be used: ${reason}` };
  }

  prepare(subnet: Cidr): Promise<PreparedSubnet> {
    this.#subnet = intoLoopback(subnet);
    if (this.#subnet === subnet) return Promise.resolve({ subnet });
    const reason = `${formatCidr(this.#subnet)} stands for ${
      formatCidr(subnet)
    }: only loopback addresses are used`;
    return Promise.resolve({ subnet: this.#subnet, reason });
  }

  observe(): Promise<string | undefined> {
    const offset = Math.min(2, cidrSize(this.#subnet) - 1);
    return Promise.resolve(this.#whyNot(formatIpv4(this.#subnet.base + offset)));
  }

  ensure(addresses: readonly string[]): Promise<ReadonlyMap<string, string>> {
    return Promise.resolve(refuseOutside(addresses, this.#subnet));
  }

  release(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  #whyNot(address: string): string | undefined {
    try {
      this.#listen({ address, port: 0 }).close();
      return undefined;
    } catch (error) {
      if (!(error instanceof BindError)) throw error;
      // A lack of descriptors or of free ports passes, and says nothing of the address: what listens on it must stay.
      return error.reason === "not_available" || error.reason === "denied" ? error.message : undefined;
    }
  }
}

/** The subnet itself if it is a loopback one; else 127.x.0.0/16, x its second octet, or the first if that is 0 (127.0/16 has other users). */
export function intoLoopback(subnet: Cidr): Cidr {
  if (isLoopbackSubnet(subnet)) return subnet;
  const octet = (subnet.base >>> 16) & 255 || subnet.base >>> 24;
  return { base: LOOPBACK.base + octet * 2 ** 16, prefix: 16 };
}

/** Whether the subnet lies within 127.0.0.0/8. */
export function isLoopbackSubnet(subnet: Cidr): boolean {
  return subnet.prefix >= LOOPBACK.prefix && cidrContains(LOOPBACK, subnet.base);
}
