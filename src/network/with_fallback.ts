import { type Cidr, isLoopbackSubnet } from "../lib/ipv4.ts";
import type { AddressDriver, ChosenSubnet, FoundOverlaps, PreparedSubnet, Support } from "./driver.ts";

/**
 * The preferred driver; if that fails to prepare a subnet, the subnet as it is, or the fallback. A
 * driver that worked once is kept when it fails later, because every endpoint would get another
 * address.
 */
export class WithFallback implements AddressDriver {
  readonly #options: FallbackOptions;
  #active: AddressDriver;

  constructor(options: FallbackOptions) {
    this.#options = options;
    this.#active = options.fallback;
  }

  get kind(): string {
    return this.#active.kind;
  }

  get linkKind(): string | undefined {
    return this.#active.linkKind;
  }

  supported(): Support {
    return this.#active.supported();
  }

  async prepare(subnet: Cidr, remembered?: Cidr): Promise<PreparedSubnet> {
    const { preferred, existing, fallback } = this.#options;
    if (isLoopbackSubnet(subnet)) {
      await this.release();
      this.#active = fallback;
      return await fallback.prepare(subnet);
    }
    const prepared = await preferred.prepare(subnet, remembered);
    if (prepared.failure === undefined || this.#active === preferred) {
      this.#active = preferred;
      return prepared;
    }
    const found = await existing.prepare(subnet);
    if (found.failure === undefined || this.#active === existing) {
      this.#active = existing;
      return found;
    }
    this.#active = fallback;
    const instead = await fallback.prepare(subnet);
    const reasons = [`Failed to create virtual network interface: ${prepared.failure}`, instead.reason];
    return { ...instead, reason: reasons.filter((reason) => reason !== undefined).join("; ") };
  }

  findOverlaps(): Promise<FoundOverlaps> {
    return this.#active.findOverlaps?.() ?? Promise.resolve({ overlaps: [] });
  }

  choose(subnet: Cidr): Promise<ChosenSubnet> {
    return this.#active.choose?.(subnet) ?? Promise.resolve({});
  }

  findProblem(): Promise<string | undefined> {
    return this.#active.findProblem();
  }

  restore(): Promise<boolean> {
    return this.#active.restore?.() ?? Promise.resolve(false);
  }

  ensure(addresses: readonly string[], revision?: number): Promise<ReadonlyMap<string, string>> {
    return this.#active.ensure(addresses, revision);
  }

  release(): Promise<string | undefined> {
    return this.#active.release();
  }
}

/** Options of {@linkcode WithFallback}. */
export interface FallbackOptions {
  readonly preferred: AddressDriver;
  /** Uses a subnet that this machine has already. */
  readonly existing: AddressDriver;
  /**
   * Needs no interface and no rights. It works where every address of 127.0.0.0/8 can be bound, as
   * on Linux. Also used for a subnet of 127.0.0.0/8.
   */
  readonly fallback: AddressDriver;
}
