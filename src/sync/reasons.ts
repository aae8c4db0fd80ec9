import { serviceKey } from "../model/endpoint.ts";
import { portHolderCommand } from "../model/port_holder.ts";
import { listenerKey, type Route } from "../model/route_table.ts";
import type { Binding } from "./bind.ts";
import { directAccess } from "./direct_access.ts";
import type { WithheldName } from "./withheld_names.ts";

/** Returns why services have no route or are degraded, and what is unusual about the others. */
export function serviceReasons(
  bindings: readonly Binding[],
  facts: ReasonFacts,
): ReadonlyMap<string, string> {
  const reasons = new Map<string, string>();
  const failed = new Set(bindings.filter(hasFailed).flatMap(({ group }) => group.routes.map(serviceKey)));
  for (const binding of bindings) {
    const { group, reason } = binding;
    for (const route of group.routes) {
      const key = serviceKey(route);
      // The extra port of an endpoint that is reported as failed would only confuse.
      if (group.extra && failed.has(key)) continue;
      const more = group.extra || hasFailed(binding) ? [] : [
        redirectReason(binding, facts),
        withheldReason(route, binding, facts),
        isNamed(route) ? facts.nameReasons.get(route.hostname) : undefined,
      ];
      const all = [reasons.get(key), reason, ...more].filter((text) => text !== undefined);
      if (all.length > 0) reasons.set(key, all.join("; "));
    }
  }
  return reasons;
}

/** The facts that reasons are made from. */
export interface ReasonFacts {
  /** The name of the operating system in Deno. */
  readonly os: string;
  /** Host name → the reason why it does not resolve, or what is unusual about it. */
  readonly nameReasons: ReadonlyMap<string, string>;
  /** The reason why names of earlier rounds may still resolve. */
  readonly nameProblem: string | undefined;
  readonly withheld: ReadonlyMap<string, WithheldName>;
  /** The services whose own port leads to the port that ngrokd has. */
  readonly redirected: ReadonlySet<string>;
  /** `address:port` of a held port → the reason why it is not redirected, or still is. */
  readonly redirectReasons: ReadonlyMap<string, string>;
}

/** Returns true if a group that needs a listener has none. */
export function hasFailed({ group, port }: Binding): boolean {
  return port === undefined && !group.extra;
}

/** Returns true for a name of the publisher. Only DNS answers for wildcards. */
export function isNamed({ wildcard }: Route): boolean {
  return !wildcard;
}

function redirectReason({ group, port }: Binding, facts: ReasonFacts): string | undefined {
  if (facts.redirected.has(group.service)) return "port held by another program, redirected";
  const reason = facts.redirectReasons.get(listenerKey(group.address, group.port));
  if (reason === undefined) return undefined;
  return port === group.port
    ? `a redirect of port ${port} may remain: ${reason}`
    : `not redirected: ${reason}`;
}

/** Says that a name does not resolve, what works now, and how to find the program. */
function withheldReason(route: Route, { group, port, heldBy }: Binding, facts: ReasonFacts) {
  const withheld = facts.withheld.get(route.hostname);
  if (withheld === undefined) return undefined;
  const own = withheld.service === serviceKey(route);
  const cause = own ? "" : `, because ngrokd does not serve ${withheld.service}`;
  const isAstray = port === group.port && facts.redirectReasons.has(listenerKey(group.address, port));
  const texts = [
    facts.nameProblem !== undefined && isNamed(route)
      ? `cannot remove the name${cause}: ${facts.nameProblem}`
      : `the name does not resolve${cause}`,
    ...(isAstray ? [] : [`use ${directAccess({ ...route, localPort: port! })}`]),
    ...(heldBy === "program" ? [`to see the program: ${portHolderCommand(group.port, facts.os)}`] : []),
  ];
  return texts.join("; ");
}
