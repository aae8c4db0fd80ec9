import { printable } from "../lib/printable.ts";
import { ApiError } from "../model/errors.ts";
import type { ApiClient } from "./client.ts";
import { failure } from "./failure.ts";
import { OPERATOR, OPERATOR_ID } from "./schemas.ts";

/** This daemon, as the account knows it. */
export interface Operator {
  /** `k8sop_…` */
  readonly id: string;
  /** The client certificate, PEM, perhaps with a chain behind it; `""` if none is issued. */
  readonly certificate: string;
  /** The endpoint selectors; empty if the API gave none or `null`. */
  readonly selectors: readonly string[];
  /** `host:port`, as the API gave it. */
  readonly ingressEndpoint?: string;
}

/** Options of {@linkcode registerOperator}. */
export interface RegisterOptions {
  /** PEM */
  readonly csr: string;
  /** CEL expressions (PROTOCOL.md 1.7). */
  readonly selectors: readonly string[];
  /** The registration marker, which goes into the metadata. */
  readonly marker?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Options of {@linkcode updateOperator}: what is absent is left alone. */
export interface UpdateOptions {
  /** PEM. The same CSR again brings the same certificate (PROTOCOL.md 1.6). */
  readonly csr?: string;
  readonly selectors?: readonly string[];
  readonly signal?: AbortSignal | undefined;
  /** How long it may wait for its turn, in milliseconds. @default {Infinity} */
  readonly patienceMs?: number | undefined;
}

const COLLECTION = "/kubernetes_operators";
/** The id in the path is none (PROTOCOL.md 1.3). */
export const NOT_AN_ID = "ERR_NGROK_227";
const LAST_WORD_MS = 5000;

/**
 * Makes a new operator and gives it with its certificate.
 *
 * @throws {ApiError} `no_certificate` if the account may not have one; nothing is left behind then.
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
    // Each try would leave one more operator in the account.
    await deleteOperator(client, operator.id, { signal: AbortSignal.timeout(LAST_WORD_MS) }).catch(() => {});
    throw noCertificate(action);
  }
  return operator;
}

/** Looks an operator up. @throws {ApiError} With status 404 if it is gone. */
export async function getOperator(
  client: ApiClient,
  id: string,
  options: { signal?: AbortSignal | undefined } = {},
): Promise<Operator> {
  const action = "look this operator up";
  return readOperator(await client.request("GET", pathOf(id), { action, signal: options.signal }), action);
}

/**
 * Changes an operator; with a new CSR it gets a new certificate.
 *
 * @throws {ApiError} With status 404 if it is gone; `no_certificate` if there was a CSR and no certificate came back.
 */
export async function updateOperator(
  client: ApiClient,
  id: string,
  options: UpdateOptions,
): Promise<Operator> {
  const { csr, selectors, signal, patienceMs } = options;
  const action = csr === undefined ? "update the selectors" : "renew the certificate";
  const binding = {
    ...(selectors === undefined ? {} : { endpoint_selectors: selectors }),
    ...(csr === undefined ? {} : { csr }),
  };
  const operator = readOperator(
    await client.request("PATCH", pathOf(id), { action, body: { binding }, signal, patienceMs }),
    action,
  );
  if (csr !== undefined && operator.certificate === "") throw noCertificate(action);
  return operator;
}

/** Removes an operator; one that is gone already is fine ({@linkcode isGone}). @throws {ApiError} */
export async function deleteOperator(
  client: ApiClient,
  id: string,
  options: { signal?: AbortSignal | undefined } = {},
): Promise<void> {
  try {
    await client.request("DELETE", pathOf(id), { action: "delete this operator", signal: options.signal });
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

/** Whether the API itself has said that there is no such operator: a 404 of a portal or of a wrong `api.url` says nothing, nor one about half an id. */
export function isGone(error: unknown): boolean {
  return error instanceof ApiError && error.status === 404 && error.code !== "malformed" &&
    error.code !== NOT_AN_ID;
}

/** The path of an operator's resource. @throws {RangeError} If it is no operator's id. */
export function pathOf(id: string): string {
  if (!OPERATOR_ID.test(id)) {
    throw new RangeError(`Cannot use the operator id "${printable(id)}": it is not an id`);
  }
  return `${COLLECTION}/${id}`;
}

function readOperator(json: unknown, action: string): Operator {
  const { data } = OPERATOR.safeParse(json);
  if (data === undefined) {
    throw failure(action, "the answer is not an operator", { status: 200, code: "malformed" });
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
