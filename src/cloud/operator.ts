import { printable } from "../lib/printable.ts";
import { ApiError } from "../model/errors.ts";
import type { ApiClient } from "./client.ts";
import { failure } from "./failure.ts";
import { OPERATOR, OPERATOR_ID } from "./schemas.ts";

/** This daemon as the account knows it. */
export interface Operator {
  /** `k8sop_…` */
  readonly id: string;
  /** The client certificate, PEM, possibly with a chain; `""` if none is issued. */
  readonly certificate: string;
  /** The endpoint selectors; empty if the API gave none or `null`. */
  readonly selectors: readonly string[];
  /** `host:port`, as the API gave it. */
  readonly ingressEndpoint?: string;
}

const COLLECTION = "/kubernetes_operators";
/** The code of the API for an invalid id in the path (docs/protocol.md 1.3). */
export const NOT_AN_ID = "ERR_NGROK_227";
const REMOVAL_MS = 5000;

/**
 * Creates an operator and returns it with its certificate.
 *
 * @throws {ApiError} `no_certificate` if the account must not have one; the operator is removed
 * then.
 */
export async function registerOperator(client: ApiClient, options: RegisterOptions): Promise<Operator> {
  const { csr, selectors, marker, signal } = options;
  const action = "register with ngrok";
  const body = {
    description: "ngrokd daemon",
    metadata: JSON.stringify({ type: "forward-proxy", mark: marker }),
    enabled_features: ["bindings"],
    region: "global",
    binding: { endpoint_selectors: selectors, csr },
  };
  const operator = readOperator(await client.request("POST", COLLECTION, { action, body, signal }), action);
  if (operator.certificate === "") {
    // Otherwise each attempt would leave one more operator in the account.
    await deleteOperator(client, operator.id, { signal: AbortSignal.timeout(REMOVAL_MS) }).catch(() => {});
    throw noCertificate(action);
  }
  return operator;
}

/** Reads an operator. @throws {ApiError} With status 404 if it is gone. */
export async function getOperator(
  client: ApiClient,
  id: string,
  { signal }: SignalOptions = {},
): Promise<Operator> {
  const action = "read this operator";
  return readOperator(await client.request("GET", pathOf(id), { action, signal }), action);
}

/**
 * Changes an operator; with a new CSR it gets a new certificate.
 *
 * @throws {ApiError} With status 404 if it is gone; `no_certificate` if no certificate comes back
 * for a CSR.
 */
export async function updateOperator(
  client: ApiClient,
  id: string,
  options: UpdateOptions,
): Promise<Operator> {
  const { csr, selectors, ...rest } = options;
  const action = csr === undefined ? "update the selectors" : "renew the certificate";
  const body = { binding: { endpoint_selectors: selectors, csr } };
  const operator = readOperator(
    await client.request("PATCH", pathOf(id), { action, body, ...rest }),
    action,
  );
  if (csr !== undefined && operator.certificate === "") throw noCertificate(action);
  return operator;
}

/** Removes an operator; one that {@linkcode isGone} is not an error. @throws {ApiError} */
export async function deleteOperator(
  client: ApiClient,
  id: string,
  { signal }: SignalOptions = {},
): Promise<void> {
  try {
    await client.request("DELETE", pathOf(id), { action: "delete this operator", signal });
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

/**
 * Returns true if the API itself said that there is no such operator. False for a 404 of a portal
 * and for one about an invalid id.
 */
export function isGone(error: unknown): boolean {
  return error instanceof ApiError && error.status === 404 && error.code !== "malformed" &&
    error.code !== NOT_AN_ID;
}

/**
 * Returns the path of an operator's resource.
 *
 * @throws {RangeError} If the id is not an operator's.
 */
export function pathOf(id: string): string {
  if (!OPERATOR_ID.test(id)) {
    throw new RangeError(`Cannot use the operator id "${printable(id)}": it is not an id`);
  }
  return `${COLLECTION}/${id}`;
}

interface SignalOptions {
  readonly signal?: AbortSignal | undefined;
}

/** Options of {@linkcode registerOperator}. */
export interface RegisterOptions extends SignalOptions {
  /** PEM. */
  readonly csr: string;
  /** CEL expressions (docs/protocol.md 1.7). */
  readonly selectors: readonly string[];
  /** The registration marker, which goes into the metadata. */
  readonly marker: string;
}

/** Options of {@linkcode updateOperator}. An absent field is left alone. */
export interface UpdateOptions extends SignalOptions {
  /** PEM. A known CSR brings the old certificate (docs/protocol.md 1.6). */
  readonly csr?: string;
  readonly selectors?: readonly string[];
  /** The longest wait for the request budget, in milliseconds. @default {Infinity} */
  readonly maxWaitMs?: number | undefined;
}

function readOperator(json: unknown, action: string): Operator {
  const { data } = OPERATOR.safeParse(json);
  if (data === undefined) {
    throw failure(action, "the response is not an operator", { status: 200, code: "malformed" });
  }
  const { id, binding: { cert: { cert }, endpoint_selectors: selectors, ingress_endpoint } } = data;
  return {
    id,
    certificate: cert.trim() === "" ? "" : cert,
    selectors,
    ...(ingress_endpoint === "" ? {} : { ingressEndpoint: ingress_endpoint }),
  };
}

function noCertificate(action: string): ApiError {
  return failure(action, "ngrok issued no certificate", { status: 200, code: "no_certificate" });
}
