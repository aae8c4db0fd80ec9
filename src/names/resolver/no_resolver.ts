import type { Resolver, ResolverOutcome, ResolverRequest } from "./resolver.ts";

/** Changes nothing, and says why. */
export class NoResolver implements Resolver {
  readonly kind = "none";
  readonly target = "";
  readonly off: string;

  /** `reason` is a sentence for `status`. */
  constructor(reason: string) {
    this.off = reason;
  }

  observe(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  async apply(wish: ResolverRequest): Promise<ResolverOutcome> {
    const outcome = await this.withdraw();
    return wish.domains.length === 0 ? outcome : { ...outcome, problem: this.off };
  }

  withdraw(): Promise<ResolverOutcome> {
    return Promise.resolve({ changed: false, refused: new Map(), warnings: [] });
  }
}
