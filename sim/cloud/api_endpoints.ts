import type { ApiAnswer, ApiCall } from "./api_call.ts";
import { endpointView } from "./api_views.ts";
import { CelError, type CelObject, compileCel } from "./cel.ts";
import { notFound, numberedFailure } from "./errors.ts";
import { cutPage } from "./pagination.ts";
import type { CloudState } from "./state/cloud_state.ts";
import type { Endpoint } from "./state/endpoints.ts";
import { celObject } from "./state/operators.ts";

/** GET /kubernetes_operators/{id}/bound_endpoints. */
export function listBoundEndpoints(call: ApiCall, state: CloudState): ApiAnswer {
  const operator = state.operator(call.account.id, call.id);
  if (operator === undefined) throw notFound();
  const bound = operator.features.includes("bindings")
    ? state.endpoints.newestFirst(call.account.id).filter((endpoint) =>
      endpoint.binding === "kubernetes" && operator.matches(endpoint)
    )
    : [];
  return list(bound, call);
}

/** GET /endpoints. */
export function listEndpoints(call: ApiCall, state: CloudState): ApiAnswer {
  let endpoints = state.endpoints.newestFirst(call.account.id);
  const { searchParams } = call.url;
  const filter = searchParams.get("filter");
  if (filter !== null) {
    let test: (object: CelObject) => boolean;
    try {
      test = compileCel(filter, "obj");
    } catch (error) {
      if (!(error instanceof CelError)) throw error;
      throw numberedFailure(250, `The filter is not a valid CEL query. ${error.message}`);
    }
    endpoints = endpoints.filter((endpoint) => test(celObject(endpoint)));
  }
  const [ids, urls] = [["id", "ids"], ["url", "urls"]].map((names) =>
    names.flatMap((name) => searchParams.get(name)?.split(",") ?? [])
  );
  if (ids !== undefined && ids.length > 0) endpoints = endpoints.filter(({ id }) => ids.includes(id));
  if (urls !== undefined && urls.length > 0) endpoints = endpoints.filter(({ url }) => urls.includes(url));
  return list(endpoints, call, { also: ["filter", "id", "ids", "url", "urls"] });
}

/** POST /endpoints. A new endpoint serves HTTP or echoes, according to its protocol. */
export function createEndpoint(call: ApiCall, state: CloudState): ApiAnswer {
  const body = call.body as Partial<{
    url: string;
    type: string;
    bindings: string[];
    traffic_policy: string;
    description: string;
    metadata: string;
    name: string;
    pooling_enabled: boolean;
  }>;
  if (body.url === undefined) throw numberedFailure(249, "The endpoint URL is missing.");
  if (body.type !== undefined && body.type !== "cloud") {
    throw numberedFailure(
      248,
      `An endpoint of the type ${JSON.stringify(body.type)} cannot be created.`,
    );
  }
  if (body.pooling_enabled === true && !call.account.poolingAllowed) {
    throw numberedFailure(18019, "The plan of the account has no pooling.");
  }
  const endpoint = state.endpoints.add(call.account.id, {
    url: body.url,
    backend: /^https?:/.test(body.url) ? "http" : "echo",
    binding: readBinding(body.url, body.bindings),
    pooling: body.pooling_enabled ?? false,
    name: body.name ?? "",
    metadata: body.metadata ?? "",
    description: body.description ?? "",
    trafficPolicy: body.traffic_policy ?? "",
  });
  return { status: 201, body: endpointView(endpoint, { origin: call.url.origin, inList: false }) };
}

/** GET /endpoints/{id}. */
export function getEndpoint(call: ApiCall, state: CloudState): ApiAnswer {
  return { status: 200, body: endpointView(find(call, state), { origin: call.url.origin, inList: false }) };
}

/** PATCH /endpoints/{id}; URL and pooling cannot be changed (docs/protocol.md 2.4). */
export function updateEndpoint(call: ApiCall, state: CloudState): ApiAnswer {
  const endpoint = find(call, state);
  const body = call.body as Partial<{
    url: string;
    bindings: string[];
    traffic_policy: string;
    description: string;
    metadata: string;
    name: string;
    pooling_enabled: boolean;
  }>;
  if (body.pooling_enabled !== undefined && body.pooling_enabled !== endpoint.pooling) {
    throw numberedFailure(18016, "Pooling cannot be changed.");
  }
  if (body.url !== undefined && body.url !== endpoint.url) {
    throw numberedFailure(249, "The URL cannot be changed.");
  }
  if (body.bindings !== undefined) endpoint.binding = readBinding(endpoint.url, body.bindings);
  endpoint.trafficPolicy = body.traffic_policy ?? endpoint.trafficPolicy;
  endpoint.description = body.description ?? endpoint.description;
  endpoint.metadata = body.metadata ?? endpoint.metadata;
  endpoint.name = body.name ?? endpoint.name;
  endpoint.updatedAt = state.now();
  return { status: 200, body: endpointView(endpoint, { origin: call.url.origin, inList: false }) };
}

/** DELETE /endpoints/{id}. */
export function deleteEndpoint(call: ApiCall, state: CloudState): ApiAnswer {
  state.endpoints.remove(find(call, state).id);
  return { status: 204, body: null };
}

function list(
  endpoints: Endpoint[],
  call: ApiCall,
  options: { also?: readonly string[] } = {},
): ApiAnswer {
  const { also = [] } = options;
  const page = cutPage(endpoints, { url: call.url, also });
  return {
    status: 200,
    body: {
      endpoints: page.items.map((endpoint) =>
        endpointView(endpoint, { origin: call.url.origin, inList: true })
      ),
      uri: page.uri,
      next_page_uri: page.nextPageUri,
    },
  };
}

function find(call: ApiCall, state: CloudState): Endpoint {
  const endpoint = state.endpoints.get(call.id);
  if (endpoint === undefined || endpoint.accountId !== call.account.id) throw notFound();
  return endpoint;
}

/**
 * The one binding. The default is internal for `.internal` names, else public (docs/protocol.md
 * 2.3).
 */
function readBinding(url: string, bindings: string[] | undefined): Endpoint["binding"] {
  if (bindings === undefined || bindings.length === 0) {
    return /\.internal(:\d+)?$/.test(url) ? "internal" : "public";
  }
  const [binding, ...more] = bindings;
  if (more.length > 0) throw numberedFailure(15006, "An endpoint has exactly one binding.");
  if (binding !== "public" && binding !== "internal" && binding !== "kubernetes") {
    throw numberedFailure(15005, `The binding ${JSON.stringify(binding)} is not valid.`);
  }
  return binding;
}
