const FIRST = 200;
const COUNT = 50;
const GUARD_PORT = 65_000;

/**
 * A /16 network of loopback addresses, `127.N.0.0/16`, which no other test uses until it is
 * disposed.
 */
export class LoopbackNetwork implements Disposable {
  readonly #octet: number;
  readonly #guard: Disposable;

  constructor(octet: number, guard: Disposable) {
    this.#octet = octet;
    this.#guard = guard;
  }

  /** As the key `net.subnet` takes it. */
  get cidr(): string {
    return this.address("0.0") + "/16";
  }

  /** `address("0.2")` is the first address that ngrokd gives to a host name. */
  address(end: string): string {
    return `127.${this.#octet}.${end}`;
  }

  [Symbol.dispose](): void {
    this.#guard[Symbol.dispose]();
  }
}

/**
 * Takes a free network. A listener on its last address marks it as taken, also for other processes.
 *
 * @throws {Error} If all are taken.
 */
export function takeLoopbackNetwork(): LoopbackNetwork {
  const start = Math.floor(Math.random() * COUNT);
  for (let tried = 0; tried < COUNT; tried++) {
    const octet = FIRST + (start + tried) % COUNT;
    try {
      const guard = Deno.listen({ hostname: `127.${octet}.255.254`, port: GUARD_PORT });
      return new LoopbackNetwork(octet, guard);
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
  throw new Error(`Cannot take a loopback network: all ${COUNT} are in use`);
}
