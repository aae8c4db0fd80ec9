import { median } from "../statistics.ts";

/** One round of the quick form: the same, directly and through proxy and relay, one after the other. */
export interface Round {
  /** MB/s. */
  readonly rates: Readonly<Record<"down" | "up", { readonly direct: number; readonly proxied: number }>>;
  /** Median of some dials, in milliseconds. */
  readonly connectMs: { readonly direct: number; readonly proxied: number };
}

/** What was seen beside its target. */
export interface QuickResult {
  readonly what: string;
  readonly seen: number;
  readonly target: number;
  readonly met: boolean;
}

/** Seen: 0.46 to 1.1. Less would mean that the relay copies badly. */
const LEAST_SHARE = 0.3;
/** Seen: 0.6 to 1.9. A stall of Nagle's algorithm with a delayed ACK costs 40. */
const MOST_EXTRA_CONNECT_MS = 15;
/** Seen: 12 after 4.8 GB; 800 with another TLS. */
const MOST_EXTRA_MIB = 64;

/** Holds the rounds against the targets, by medians: a round that something else disturbed does not count. */
export function judge(rounds: readonly Round[], extraMiB: number): QuickResult[] {
  const share = (direction: "down" | "up"): QuickResult => {
    const seen = median(rounds.map(({ rates }) => rates[direction].proxied / rates[direction].direct));
    return {
      what: `proxy + relay ÷ direct, ${direction}`,
      seen,
      target: LEAST_SHARE,
      met: seen >= LEAST_SHARE,
    };
  };
  const connect = median(rounds.map(({ connectMs }) => connectMs.proxied - connectMs.direct));
  return [
    share("down"),
    share("up"),
    {
      what: "more to connect, ms",
      seen: connect,
      target: MOST_EXTRA_CONNECT_MS,
      met: connect <= MOST_EXTRA_CONNECT_MS,
    },
    {
      what: "more memory after, MiB",
      seen: extraMiB,
      target: MOST_EXTRA_MIB,
      met: extraMiB <= MOST_EXTRA_MIB,
    },
  ];
}
