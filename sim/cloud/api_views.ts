import type { CloudState } from "./state/cloud_state.ts";
import type { Endpoint } from "./state/endpoints.ts";
import type { Operator } from "./state/operators.ts";

/** A JSON object. */
export type Json = Record<string, unknown>;

const NO_TIME = "0001-01-01T00:00:00Z";

/** An operator as the API shows it (docs/protocol.md 1.2.3). */
export function operatorView(
  operator: Operator,
  state: CloudState,
  options: { origin: string; fresh?: boolean },
): Json {
  const { origin, fresh = false } = options;
  const bindings = operator.features.includes("bindings");
  const ingress = operator.ingressEndpoint ??
    (state.switches.ingressEndpoint === "self" ? state.ownIngress : state.switches.ingressEndpoint);
  const chain = state.switches.certificateChain === "chain" ? state.authority.caPem : "";
  const certificate = bindings ? operator.certificate : null;
  return {
    id: operator.id,
    uri: `${origin}/kubernetes_operators/${operator.id}`,
    created_at: timestamp(operator.createdAt),
    updated_at: timestamp(operator.updatedAt),
    description: operator.description,
    metadata: operator.metadata,
    principal: { id: operator.accountId.replace(/^ac_/, "usr_"), uri: "" },
    enabled_features: operator.features,
    region: operator.region,
    deployment: operator.deployment,
    binding: {
      endpoint_selectors: bindings ? operator.selectors : null,
      cert: {
        cert: certificate === null ? "" : certificate.pem + chain,
        not_before: certificate === null ? NO_TIME : timestamp(certificate.notBefore.getTime()),
        not_after: certificate === null ? NO_TIME : timestamp(certificate.notAfter.getTime()),
      },
      // Without bindings the field is missing right after the creation, but present later.
      ...(bindings || !fresh ? { ingress_endpoint: ingress } : {}),
    },
  };
}

/**
 * An endpoint as the API shows it. Lists leave `scheme`, `host`, `port` and `region` out, like
 * every unset field (docs/protocol.md 2.1).
 */
export function endpointView(endpoint: Endpoint, options: { origin: string; inList: boolean }): Json {
  const { origin, inList } = options;
  const { scheme, host, port, name, metadata, description, trafficPolicy } = endpoint;
  return {
    id: endpoint.id,
    ...(inList ? {} : { region: "global" }),
    created_at: timestamp(endpoint.createdAt),
    updated_at: timestamp(endpoint.updatedAt),
    public_url: endpoint.url,
    proto: scheme,
    ...(inList ? {} : { scheme, host, port }),
    hostport: `${host}:${port}`,
    type: endpoint.type,
    ...(metadata === "" ? {} : { metadata }),
    ...(description === "" ? {} : { description }),
    ...(name === "" ? {} : { name }),
    ...(trafficPolicy === "" ? {} : { traffic_policy: trafficPolicy }),
    principal: { id: endpoint.accountId.replace(/^ac_/, "usr_"), uri: "" },
    // The edge object in the documentation has neither url nor uri.
    ...(endpoint.type === "edge" ? {} : { url: endpoint.url }),
    bindings: [endpoint.binding],
    ...(endpoint.type === "edge" ? {} : { uri: `${origin}/endpoints/${endpoint.id}` }),
    pooling_enabled: endpoint.pooling,
  };
}

/** RFC 3339, UTC, whole seconds (docs/protocol.md 1.1). */
export function timestamp(unixMs: number): string {
  return new Date(unixMs).toISOString().replace(/\.\d+Z$/, "Z");
}
