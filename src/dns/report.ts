import type { StatusReport } from "../model/report.ts";
import { listenerKey } from "../model/route_table.ts";
import type { ResolverOutcome } from "../names/resolver/resolver.ts";
import type { Upstreams } from "./choose_upstreams.ts";
import type { DnsBinding } from "./server.ts";

/** The unresolved names that `status` lists. */
const MAX_NAMED = 10;

/** Returns the part of `status` about DNS. */
export function dnsReport(input: DnsReportInput): StatusReport["dns"] {
  const { bindings, names, upstreams, resolver, outcome } = input;
  const isOff = bindings.length === 0;
  // All other names are in the hosts file, too.
  const unresolved = isOff ? [] : [...outcome?.refused ?? []].filter(([name]) => name.startsWith("*."));
  const reasons = [outcome?.problem ?? resolver.reason, unresolvedText(outcome?.refused ?? new Map())]
    .filter((reason) => reason !== undefined);
  return {
    state: stateOf(bindings),
    names,
    addresses: bindings.map(({ address, port, problem }) => ({
      address: listenerKey(address, port),
      error: problem?.message ?? null,
    })),
    upstreams: isOff ? [] : [...upstreams?.servers ?? []],
    forwarding: {
      error: isOff ? null : upstreams?.problem ?? upstreams?.leftOut ?? null,
      hint: isOff ? null : upstreams?.hint ?? null,
    },
    unresolved: unresolved.slice(0, MAX_NAMED).map(([name, why]) =>
      `${name} does not resolve on this machine: ${why}`
    ),
    unresolved_count: unresolved.length,
    resolver: {
      driver: resolver.kind,
      target: resolver.label,
      reason: isOff || reasons.length === 0 ? null : reasons.join("; "),
      hint: outcome?.hint ?? null,
    },
  };
}

/** The values of the report. */
export interface DnsReportInput {
  readonly bindings: readonly DnsBinding[];
  /** The number of names that the server answers. */
  readonly names: number;
  /** Undefined if nobody has looked for them. */
  readonly upstreams: Upstreams | undefined;
  readonly resolver: { readonly kind: string; readonly label: string; readonly reason: string | undefined };
  /** The last outcome of the resolver. */
  readonly outcome: ResolverOutcome | undefined;
}

/**
 * Returns one sentence about names (name → reason) that do not resolve; undefined if there are
 * none.
 */
function unresolvedText(names: ReadonlyMap<string, string>): string | undefined {
  const [first] = names;
  if (first === undefined) return undefined;
  const others = names.size === 1 ? "" : ` (and ${names.size - 1} more)`;
  return `${first[0]} does not resolve on this machine: ${first[1]}${others}`;
}

function stateOf(bindings: readonly DnsBinding[]): StatusReport["dns"]["state"] {
  if (bindings.length === 0) return "off";
  const failed = bindings.filter(({ problem }) => problem !== undefined);
  if (failed.length === 0) return "ok";
  return failed.length === bindings.length ? "failing" : "degraded";
}
