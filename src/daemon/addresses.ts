import { getLogger } from "@logtape/logtape";
import { type Cidr, formatCidr } from "../lib/ipv4.ts";
import type { StatusReport } from "../model/report.ts";
import type { AddressDriver } from "../network/driver.ts";
import type { AddressEffects } from "../sync/effects.ts";

const log = getLogger(["ngrokd", "network"]);

/** The addresses as the control path wants them, and how they stand for `status`. */
export class Addresses implements AddressEffects {
  readonly #driver: AddressDriver;
  #wanted: Cidr | undefined;
  #subnet: Cidr;
  #reason: string | undefined;

  constructor(driver: AddressDriver, subnet: Cidr) {
    this.#driver = driver;
    this.#subnet = subnet;
  }

  /** The subnet that is really used. */
  get subnet(): Cidr {
    return this.#subnet;
  }

  /** Makes ready for addresses of this subnet, or of the one that the driver chooses instead. */
  async prepare(wanted: Cidr): Promise<void> {
    if (this.#wanted?.base === wanted.base && this.#wanted.prefix === wanted.prefix) return;
    const { subnet, reason } = await this.#driver.prepare(wanted);
    this.#wanted = wanted;
    this.#subnet = subnet;
    this.#reason = reason;
    if (reason !== undefined) log.warn("{reason}", { reason });
  }

  /** Makes them bindable; the reason for each that is not. */
  async ensure(addresses: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const support = this.#driver.supported();
    if (!support.supported) return new Map(addresses.map((address) => [address, support.reason]));
    if (await this.#driver.observe() !== undefined && this.#wanted !== undefined) {
      await this.#driver.prepare(this.#wanted);
    }
    return await this.#driver.ensure(addresses);
  }

  /** Undoes all that was made. */
  release(): Promise<void> {
    return this.#driver.release();
  }

  get report(): StatusReport["addresses"] {
    const support = this.#driver.supported();
    const reason = support.supported ? this.#reason : support.reason;
    return { driver: this.#driver.kind, subnet: formatCidr(this.#subnet), reason: reason ?? null };
  }
}
