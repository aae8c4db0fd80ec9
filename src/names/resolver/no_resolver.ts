import type { Resolver, ResolverOutcome, ResolverRequest } from "./resolver.ts";

/** A resolver that changes nothing and gives the reason. */
export class NoResolver implements Resolver {
  readonly kind = "none";
  readonly label = "";
  readonly #reason: string;

  /** `reason` is a sentence for `status`. */
  constructor(reason: string) {
    this.#reason = reason;
  }

  async apply({ domains }: ResolverRequest): Promise<ResolverOutcome> {
    const outcome = await this.withdraw();
    return domains.length === 0 ? outcome : { ...outcome, problem: this.#reason };
  }

  withdraw(): Promise<ResolverOutcome> {
    return Promise.resolve({ changed: false, refused: new Map() });
  }
}
