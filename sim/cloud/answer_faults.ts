import type { ApiAnswer } from "./api_call.ts";
import type { Json } from "./api_views.ts";
import { DEFAULT_PORTS } from "./endpoint_url.ts";
import type { ApiRoute } from "./faults.ts";
import type { CloudState } from "./state/cloud_state.ts";

const DEFAULT_STALE = ["http://gone.example.com"];
const FRESH_PER_PAGE = 100;

/** A good answer as the faults change it. They apply to lists and operators only. */
export function alterAnswer(
  answer: ApiAnswer,
  options: { route: ApiRoute; state: CloudState; url: URL },
): ApiAnswer {
  const { route, state, url } = options;
  const { faults } = state;
  if (answer.body === null || answer.status >= 300) return answer;
  const body = structuredClone(answer.body);
  if (Array.isArray(body["endpoints"])) {
    body["endpoints"] = alterEndpoints(body["endpoints"] as Json[], { route, state });
  }
  const listName = Array.isArray(body["operators"])
    ? "operators"
    : Array.isArray(body["endpoints"])
    ? "endpoints"
    : null;
  if (listName !== null) {
    const list = body[listName] as Json[];
    if (faults.take("duplicates", { route })) body[listName] = list.flatMap((item) => [item, item]);
    if (faults.take("empty_list", { route })) Object.assign(body, { [listName]: [], next_page_uri: null });
    alterNextPage(body, { route, state, url });
  }
  for (const operator of listName === "operators" ? body["operators"] as Json[] : [body]) {
    if (typeof operator["binding"] === "object") alterOperator(operator, { route, state });
  }
  if (faults.take("extra_fields", { route })) addExtraFields(body);
  return { status: answer.status, body };
}

function alterEndpoints(list: Json[], options: { route: ApiRoute; state: CloudState }): Json[] {
  const { route, state } = options;
  const { faults } = state;
  const stale = faults.take("stale_entries", { route });
  if (stale !== undefined) {
    list = [...(stale.urls ?? DEFAULT_STALE).map((url) => inventEndpoint(state, url)), ...list];
  }
  if (faults.take("default_ports_kept", { route })) {
    for (const endpoint of list) {
      for (const field of ["url", "public_url"]) {
        const url = String(endpoint[field]);
        const scheme = url.slice(0, url.indexOf(":"));
        if (field in endpoint && !/:\d+$/.test(url)) endpoint[field] = `${url}:${DEFAULT_PORTS[scheme]}`;
      }
    }
  }
  const missing = faults.take("missing_url", { route });
  if (missing !== undefined) {
    for (const endpoint of list) {
      delete endpoint["url"];
      if (missing.both === true) delete endpoint["public_url"];
    }
  }
  return list;
}

function alterNextPage(body: Json, options: { route: ApiRoute; state: CloudState; url: URL }): void {
  const { route, state, url } = options;
  const fault = state.faults.take("next_page_uri", { route });
  if (fault === undefined) return;
  const real = body["next_page_uri"];
  const next = new URL(typeof real === "string" ? real : url);
  switch (fault.value) {
    // The first three are forms of the end of a list, the next two are forms of a link.
    case "null":
      break;
    case "empty":
      if (real === null) body["next_page_uri"] = "";
      break;
    case "absent":
      if (real === null) delete body["next_page_uri"];
      break;
    case "relative":
      if (real !== null) body["next_page_uri"] = next.pathname + next.search;
      break;
    case "absolute":
      break;
    case "other_host":
      next.hostname = "other.example.com";
      body["next_page_uri"] = next.href;
      break;
    case "file":
      body["next_page_uri"] = "file:///etc/passwd";
      break;
    case "loop":
      body["next_page_uri"] = url.href;
      break;
    case "endless":
    case "endless_fresh":
      next.search = "";
      next.searchParams.set("before_id", state.ids.next("ep"));
      body["next_page_uri"] = next.href;
      if (fault.value === "endless_fresh") {
        const fresh = (): Json =>
          inventEndpoint(state, `http://${state.ids.next("e").toLowerCase()}.example.com`);
        body["endpoints"] = Array.from({ length: FRESH_PER_PAGE }, fresh);
      }
  }
}

function alterOperator(operator: Json, options: { route: ApiRoute; state: CloudState }): void {
  const { route, state } = options;
  const { faults } = state;
  const binding = operator["binding"] as Json;
  const cert = binding["cert"] as Json;
  if (faults.take("empty_certificate", { route })) cert["cert"] = "";
  if (cert["cert"] !== "" && faults.take("certificate_chain", { route })) {
    cert["cert"] += state.authority.caPem;
  }
  const ingress = faults.take("ingress_endpoint", { route });
  if (ingress === undefined) return;
  if (ingress.value === null) delete binding["ingress_endpoint"];
  else binding["ingress_endpoint"] = ingress.value;
}

function addExtraFields(value: unknown): void {
  if (Array.isArray(value)) return value.forEach(addExtraFields);
  if (typeof value !== "object" || value === null) return;
  Object.values(value).forEach(addExtraFields);
  Object.assign(value, { introduced_later: { nested: [1, null, "text"] }, "another-one": true });
}

function inventEndpoint(state: CloudState, url: string): Json {
  return {
    id: state.ids.next("ep"),
    created_at: "2025-10-24T21:16:12Z",
    updated_at: "2025-10-24T21:16:12Z",
    public_url: url,
    proto: url.slice(0, url.indexOf(":")),
    type: "ephemeral",
    url,
    bindings: ["kubernetes"],
    pooling_enabled: false,
  };
}
