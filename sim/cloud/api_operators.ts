import type { ApiAnswer, ApiCall } from "./api_call.ts";
import { type Json, operatorView } from "./api_views.ts";
import { ApiFailure, notFound, numberedFailure } from "./errors.ts";
import { cutPage } from "./pagination.ts";
import type { CloudState } from "./state/cloud_state.ts";
import { compileSelectors, type Operator, signCsr } from "./state/operators.ts";

const FEATURES = ["bindings", "ingress", "gateway"];
const REGIONS = ["global", "us", "eu", "ap", "au", "sa", "jp", "in"];
const MAX_DESCRIPTION_BYTES = 255;
const MAX_METADATA_BYTES = 4096;

/** POST /kubernetes_operators. */
export async function createOperator(call: ApiCall, state: CloudState): Promise<ApiAnswer> {
  const now = state.now();
  const operator: Operator = {
    id: state.ids.next("k8sop"),
    accountId: call.account.id,
    createdAt: now,
    updatedAt: now,
    description: "",
    metadata: "",
    features: [],
    region: "global",
    deployment: { cluster_name: "", name: "", namespace: "", version: "" },
    selectors: ["true"],
    matches: () => true,
    ingressEndpoint: null,
    certificate: null,
    byCsr: new Map(),
    byKey: new Map(),
    deleted: false,
    revoked: false,
  };
  await apply(operator, call, { state, creating: true });
  refuseSameDeployment(operator, state);
  state.operators.set(operator.id, operator);
  return { status: 201, body: operatorView(operator, state, { origin: call.url.origin, fresh: true }) };
}

/** GET /kubernetes_operators/{id}. */
export function getOperator(call: ApiCall, state: CloudState): ApiAnswer {
  return { status: 200, body: operatorView(find(call, state), state, { origin: call.url.origin }) };
}

/** PATCH /kubernetes_operators/{id}. */
export async function updateOperator(call: ApiCall, state: CloudState): Promise<ApiAnswer> {
  const operator = find(call, state);
  await apply(operator, call, { state, creating: false });
  operator.updatedAt = state.now();
  return { status: 200, body: operatorView(operator, state, { origin: call.url.origin }) };
}

/** DELETE /kubernetes_operators/{id}. */
export function deleteOperator(call: ApiCall, state: CloudState): ApiAnswer {
  state.deleteOperator(find(call, state));
  return { status: 204, body: null };
}

/** GET /kubernetes_operators. */
export function listOperators(call: ApiCall, state: CloudState): ApiAnswer {
  const own = [...state.operators.values()].filter((operator) =>
    operator.accountId === call.account.id && !operator.deleted
  );
  const page = cutPage(own.reverse(), { url: call.url });
  const operators = page.items.map((operator) => operatorView(operator, state, { origin: call.url.origin }));
  return { status: 200, body: { operators, uri: page.uri, next_page_uri: page.nextPageUri } };
}

function find(call: ApiCall, state: CloudState): Operator {
  const operator = state.operator(call.account.id, call.id);
  if (operator === undefined) throw notFound();
  return operator;
}

/** Applies the fields of the body; changes nothing if one of them is refused. */
async function apply(
  operator: Operator,
  call: ApiCall,
  options: { state: CloudState; creating: boolean },
): Promise<void> {
  const { state, creating } = options;
  const { switches } = state;
  const body = call.body as Partial<{
    description: string;
    metadata: string;
    enabled_features: string[];
    region: string;
    deployment: Json;
    binding: { endpoint_selectors?: string[]; csr?: string; ingress_endpoint?: string };
  }>;
  const draft = { ...operator };
  const refuse = (reason: string): never => {
    throw numberedFailure(19002, `The operator is not valid: ${reason}.`);
  };
  if (byteLength(body.description) > MAX_DESCRIPTION_BYTES) refuse("the description is too long");
  if (byteLength(body.metadata) > MAX_METADATA_BYTES) refuse("the metadata is too long");
  if (body.region !== undefined && !REGIONS.includes(body.region)) {
    throw new ApiFailure(`The region ${JSON.stringify(body.region)} is unknown.`, {
      status: 400,
      code: "invalid_region_target",
    });
  }
  if (body.enabled_features !== undefined) {
    draft.features = body.enabled_features.map((feature) => feature.toLowerCase());
    const unknown = draft.features.find((feature) => !FEATURES.includes(feature));
    if (unknown !== undefined) refuse(`the feature ${JSON.stringify(unknown)} is unknown`);
  }
  if (draft.features.includes("bindings") && !call.account.bindingsEnabled) {
    refuse("bindings are not enabled for the account");
  }
  draft.description = body.description ?? draft.description;
  draft.metadata = body.metadata ?? draft.metadata;
  draft.region = body.region ?? draft.region;
  draft.deployment = { ...draft.deployment, ...body.deployment };
  if (body.binding !== undefined) {
    if (!draft.features.includes("bindings")) refuse("a binding needs the feature bindings");
    const { endpoint_selectors: selectors, csr, ingress_endpoint: ingressEndpoint } = body.binding;
    if (!creating && csr === undefined && switches.bindingWithoutCsr !== "accept") {
      throw new ApiFailure("A change of the binding needs a certificate signing request.", {
        status: switches.bindingWithoutCsr,
        code: switches.bindingWithoutCsr === 400 ? "ERR_NGROK_19001" : null,
      });
    }
    if (selectors !== undefined) {
      draft.selectors = selectors;
      draft.matches = compileSelectors(selectors, switches);
    }
    if (ingressEndpoint !== undefined && ingressEndpoint !== "") draft.ingressEndpoint = ingressEndpoint;
    if (csr !== undefined && csr !== "") {
      const route = creating ? "operators.create" : "operators.update";
      await signCsr(draft, csr, {
        authority: state.authority,
        switches,
        faults: state.faults,
        route,
        now: state.now(),
        lifetimeMs: state.certificateLifetimeMs,
      });
    }
  }
  Object.assign(operator, draft);
}

function refuseSameDeployment(operator: Operator, state: CloudState): void {
  const { name, namespace } = operator.deployment;
  if (name === "" && namespace === "") return;
  for (const other of state.operators.values()) {
    if (other.deleted || other.accountId !== operator.accountId) continue;
    if (other.deployment.name !== name || other.deployment.namespace !== namespace) continue;
    throw new ApiFailure(`An operator of the deployment ${namespace}/${name} exists already.`, {
      status: 409,
      code: "ERR_NGROK_19002",
      statusKey: "deployment",
    });
  }
}

function byteLength(text: string | undefined): number {
  return new TextEncoder().encode(text ?? "").length;
}
