import { ENDPOINT_CREATE, OPERATOR_CREATE, OPERATOR_UPDATE, parseBody, type Shape } from "./api_body.ts";
import type { ApiAnswer, ApiCall } from "./api_call.ts";
import * as endpoints from "./api_endpoints.ts";
import * as operators from "./api_operators.ts";
import type { Json } from "./api_views.ts";
import { notFound, numberedFailure } from "./errors.ts";
import type { ApiRoute } from "./faults.ts";
import { KSUID_PATTERN } from "./ksuid.ts";
import { authorize, spendRequest } from "./state/accounts.ts";
import type { CloudState } from "./state/cloud_state.ts";

/** A request that has not been checked. */
export interface ApiInput {
  method: string;
  url: URL;
  header(name: string): string | null;
  bodyText: string;
}

/** The call that a method and a path name. */
export interface RouteMatch {
  route: ApiRoute;
  id: string;
}

interface Entry {
  method: string;
  pattern: RegExp;
  prefix: string;
  shape?: Shape;
  handle: (call: ApiCall, state: CloudState) => ApiAnswer | Promise<ApiAnswer>;
}

const OPERATORS = /^\/kubernetes_operators$/;
const OPERATOR = /^\/kubernetes_operators\/([^/]+)$/;
const BOUND = /^\/kubernetes_operators\/([^/]+)\/bound_endpoints$/;
const ENDPOINTS = /^\/endpoints$/;
const ENDPOINT = /^\/endpoints\/([^/]+)$/;

const ROUTES: Record<ApiRoute, Entry> = {
  "operators.create": {
    method: "POST",
    pattern: OPERATORS,
    prefix: "",
    shape: OPERATOR_CREATE,
    handle: operators.createOperator,
  },
  "operators.list": { method: "GET", pattern: OPERATORS, prefix: "", handle: operators.listOperators },
  "operators.get": { method: "GET", pattern: OPERATOR, prefix: "k8sop_", handle: operators.getOperator },
  "operators.update": {
    method: "PATCH",
    pattern: OPERATOR,
    prefix: "k8sop_",
    shape: OPERATOR_UPDATE,
    handle: operators.updateOperator,
  },
  "operators.delete": {
    method: "DELETE",
    pattern: OPERATOR,
    prefix: "k8sop_",
    handle: operators.deleteOperator,
  },
  "bound_endpoints.list": {
    method: "GET",
    pattern: BOUND,
    prefix: "k8sop_",
    handle: endpoints.listBoundEndpoints,
  },
  "endpoints.create": {
    method: "POST",
    pattern: ENDPOINTS,
    prefix: "",
    shape: ENDPOINT_CREATE,
    handle: endpoints.createEndpoint,
  },
  "endpoints.list": { method: "GET", pattern: ENDPOINTS, prefix: "", handle: endpoints.listEndpoints },
  "endpoints.get": { method: "GET", pattern: ENDPOINT, prefix: "ep_", handle: endpoints.getEndpoint },
  "endpoints.update": {
    method: "PATCH",
    pattern: ENDPOINT,
    prefix: "ep_",
    shape: ENDPOINT_CREATE,
    handle: endpoints.updateEndpoint,
  },
  "endpoints.delete": {
    method: "DELETE",
    pattern: ENDPOINT,
    prefix: "ep_",
    handle: endpoints.deleteEndpoint,
  },
};

/** The call of a method and a path, or null if there is none. */
export function matchRoute(method: string, path: string): RouteMatch | null {
  for (const [route, entry] of Object.entries(ROUTES) as [ApiRoute, Entry][]) {
    const match = entry.method === method ? entry.pattern.exec(path) : null;
    if (match !== null) return { route, id: match[1] ?? "" };
  }
  return null;
}

/**
 * Checks and answers one request, in the order of docs/protocol.md 5.2: authorization, rate limit,
 * version, content type, body, resource.
 *
 * @throws {ApiFailure} For every answer that is an error.
 */
export async function answerApi(
  input: ApiInput,
  options: { match: RouteMatch | null; state: CloudState },
): Promise<ApiAnswer> {
  const { match, state } = options;
  const { switches } = state;
  const account = authorize(input.header("Authorization"), state.accounts.values());
  spendRequest(account, { now: state.now(), limit: state.rateLimit });
  const version = input.header("Ngrok-Version");
  if (version === null) throw numberedFailure(218, "The header Ngrok-Version is missing.");
  if (version !== "2") throw numberedFailure(217, "This version of the API is not supported.");
  const entry = match === null ? undefined : ROUTES[match.route];
  let body: Json = {};
  if (["POST", "PATCH", "PUT"].includes(input.method)) {
    const contentType = input.header("Content-Type");
    if (contentType === null) throw numberedFailure(216, "The header Content-Type is missing.");
    if (!/^application\/json\s*(;|$)/i.test(contentType)) {
      throw numberedFailure(210, "The content type must be application/json.");
    }
    if (entry?.shape !== undefined) body = parseBody(input.bodyText, { shape: entry.shape, switches });
  } else if (input.bodyText !== "") {
    throw numberedFailure(211, "A request body is not expected.");
  }
  if (match === null || entry === undefined) throw notFound();
  if (
    match.id !== "" &&
    !(match.id.startsWith(entry.prefix) && KSUID_PATTERN.test(match.id.slice(entry.prefix.length)))
  ) {
    throw numberedFailure(227, `The id ${JSON.stringify(match.id)} is not valid.`);
  }
  return await entry.handle({ account, url: input.url, id: match.id, body }, state);
}
