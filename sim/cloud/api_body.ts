import { numberedFailure } from "./errors.ts";
import type { Json } from "./api_views.ts";
import type { Switches } from "./switches.ts";

/** The fields that a JSON object may have, with their types. */
export interface Shape {
  [field: string]: "string" | "strings" | "boolean" | Shape;
}

const BINDING: Shape = { endpoint_selectors: "strings", csr: "string", ingress_endpoint: "string" };

/** The body of POST /kubernetes_operators (docs/protocol.md 1.2.1). */
export const OPERATOR_CREATE: Shape = {
  description: "string",
  metadata: "string",
  enabled_features: "strings",
  region: "string",
  deployment: { name: "string", namespace: "string", version: "string", cluster_name: "string" },
  binding: BINDING,
};

/**
 * The body of PATCH /kubernetes_operators/{id} (docs/protocol.md 1.2.2). Clients send a blank `id`.
 */
export const OPERATOR_UPDATE: Shape = {
  ...OPERATOR_CREATE,
  id: "string",
  deployment: { name: "string", version: "string" },
};

/** The body of POST /endpoints. */
export const ENDPOINT_CREATE: Shape = {
  url: "string",
  type: "string",
  bindings: "strings",
  traffic_policy: "string",
  description: "string",
  metadata: "string",
  name: "string",
  pooling_enabled: "boolean",
};

/**
 * Parses a JSON body of this shape; null counts as absent.
 *
 * @throws {ApiFailure} 213, 214 or 215.
 */
export function parseBody(text: string, options: { shape: Shape; switches: Switches }): Json {
  const { shape, switches } = options;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw numberedFailure(213, "The request body could not be parsed as JSON.");
  }
  return checkShape(value, { shape, switches, path: "body" });
}

function checkShape(value: unknown, options: { shape: Shape; switches: Switches; path: string }): Json {
  const { shape, switches, path } = options;
  const invalid = (name: string) => numberedFailure(215, `Parameter ${name} is not valid.`);
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw invalid(path);
  const checked: Json = {};
  for (const [field, content] of Object.entries(value)) {
    const expected = shape[field];
    const fieldPath = `${path}.${field}`;
    if (expected === undefined) {
      if (switches.unknownJsonFields === "refuse") {
        throw numberedFailure(214, `Parameter ${fieldPath} is unknown.`);
      }
      continue;
    }
    if (content === null) continue;
    if (typeof expected === "object") {
      checked[field] = checkShape(content, { shape: expected, switches, path: fieldPath });
    } else if (isOfType(content, expected)) checked[field] = content;
    else throw invalid(fieldPath);
  }
  return checked;
}

function isOfType(value: unknown, type: "string" | "strings" | "boolean"): boolean {
  if (type === "boolean") return typeof value === "boolean";
  if (type === "string") return typeof value === "string";
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}
