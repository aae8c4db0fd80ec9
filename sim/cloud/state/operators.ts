import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import {
  type CertificateAuthority,
  hex,
  type IssuedCertificate,
  strangerKey,
} from "../certificate_authority.ts";
import { CelError, type CelObject, compileCel } from "../cel.ts";
import { type ApiFailure, numberedFailure } from "../errors.ts";
import type { ApiRoute, Faults } from "../faults.ts";
import type { Switches } from "../switches.ts";
import type { Endpoint } from "./endpoints.ts";

/** A registered operator. */
export interface Operator {
  id: string;
  accountId: string;
  createdAt: number;
  updatedAt: number;
  description: string;
  metadata: string;
  features: string[];
  region: string;
  deployment: { cluster_name: string; name: string; namespace: string; version: string };
  selectors: string[];
  matches: (endpoint: Endpoint) => boolean;
  /** The ingress that the client asked for; null if it did not. */
  ingressEndpoint: string | null;
  /** The current certificate; null before the first CSR. */
  certificate: IssuedCertificate | null;
  /** Certificates by the SHA-256 of their CSR's bytes. */
  byCsr: Map<string, IssuedCertificate>;
  /** Certificates by the SHA-256 of their public key. */
  byKey: Map<string, IssuedCertificate>;
  deleted: boolean;
  revoked: boolean;
}

/**
 * Compiles selectors into one test.
 *
 * @throws {ApiFailure} 19003 if one is invalid (docs/protocol.md 1.7).
 */
export function compileSelectors(
  selectors: readonly string[],
  switches: Switches,
): (endpoint: Endpoint) => boolean {
  let tests: ((object: CelObject) => boolean)[];
  try {
    tests = selectors.map((selector) => compileCel(selector));
  } catch (error) {
    if (!(error instanceof CelError)) throw error;
    throw numberedFailure(19003, `The endpoint selectors are not valid. ${error.message}`);
  }
  // The default selector must not cost an object for each endpoint and poll.
  if (selectors.length === 1 && selectors[0] === "true") return () => true;
  return (endpoint) => {
    const object = celObject(endpoint);
    return switches.selectors === "or"
      ? tests.some((test) => test(object))
      : tests.every((test) => test(object));
  };
}

/** An endpoint as an expression sees it. */
export function celObject(endpoint: Endpoint): CelObject {
  return {
    id: endpoint.id,
    url: endpoint.url,
    public_url: endpoint.url,
    type: endpoint.type,
    proto: endpoint.scheme,
    scheme: endpoint.scheme,
    hostport: `${endpoint.host}:${endpoint.port}`,
    host: endpoint.host,
    port: endpoint.port,
    name: endpoint.name,
    region: "global",
    metadata: endpoint.metadata,
    description: endpoint.description,
    bindings: [endpoint.binding],
    pooling_enabled: endpoint.pooling,
    created_at: new Date(endpoint.createdAt).toISOString(),
  };
}

/** Options of {@linkcode signCsr}. */
export interface SigningContext {
  authority: CertificateAuthority;
  switches: Switches;
  faults: Faults;
  route: ApiRoute;
  /** Milliseconds since 1970. */
  now: number;
  /** The lifetime of the certificate. */
  lifetimeMs: number;
}

/**
 * Signs a CSR for an operator and makes the certificate its current one. It is valid from this
 * second. A known CSR gets the same certificate again (docs/protocol.md 1.6).
 *
 * @throws {ApiFailure} 19001 if the CSR is refused.
 */
export async function signCsr(operator: Operator, csrPem: string, options: SigningContext): Promise<void> {
  const { authority, switches, faults, route, now } = options;
  const csr = await readCsr(csrPem, switches);
  const csrHash = hex(await crypto.subtle.digest("SHA-256", csr.rawData));
  const keyHash = hex(await crypto.subtle.digest("SHA-256", csr.publicKey.rawData));
  let certificate = operator.byCsr.get(csrHash) ??
    (switches.newCertificateForSameKey ? undefined : operator.byKey.get(keyHash));
  if (certificate === undefined) {
    const stranger = faults.take("wrong_key_certificate", { route });
    certificate = await authority.issueClient(stranger === undefined ? csr.publicKey : await strangerKey(), {
      subject: switches.certificateSubject === "operator" ? `CN=${operator.id}, O=ngrok Inc` : "",
      notBefore: new Date(Math.floor(now / 1000) * 1000),
      lifetimeMs: faults.take("short_certificate", { route })?.lifetimeMs ?? options.lifetimeMs,
    });
    // A certificate for another key is not remembered, so that the CSR gets a good one after the
    // fault.
    if (stranger === undefined) {
      operator.byCsr.set(csrHash, certificate);
      operator.byKey.set(keyHash, certificate);
    }
  }
  operator.certificate = certificate;
}

async function readCsr(pem: string, switches: Switches): Promise<x509.Pkcs10CertificateRequest> {
  const refuse = (reason: string): ApiFailure =>
    numberedFailure(19001, `The certificate signing request failed: ${reason}.`);
  let csr: x509.Pkcs10CertificateRequest;
  let verified: boolean;
  try {
    if (!/-----BEGIN (NEW )?CERTIFICATE REQUEST-----/.test(pem)) throw new Error("no PEM block");
    csr = new x509.Pkcs10CertificateRequest(pem);
    verified = await csr.verify();
  } catch {
    throw refuse("it cannot be read");
  }
  if (!verified) throw refuse("its signature is not valid");
  if (csr.subjectName.getField("CN").some((name) => name !== "")) {
    throw refuse("the common name must be empty");
  }
  if (csr.publicKey.algorithm.name !== "ECDSA" && switches.csrKeys === "ecdsa") {
    throw refuse("only ECDSA keys are accepted");
  }
  return csr;
}
