import { validityProblem } from "../x509/expiry.ts";
import type { ParsedCertificate } from "../x509/parse_certificate.ts";
import { isIssuer } from "./chain_path.ts";
import type { ListedCa } from "./listed_cas.ts";
import type { TrustedCa, UnusableCa } from "./trusted_ca.ts";

const NEW_VERSION =
  "check this machine's clock; if it is right, install a version of ngrokd that knows the next CA";

/** The CAs that an untrusted chain is compared with. */
export interface KnownCas {
  readonly cas: readonly TrustedCa[];
  readonly unusable: readonly UnusableCa[];
  readonly listed: readonly ListedCa[];
  readonly nowMs: number;
}

/** Finds the known CA that signed this certificate and cannot be used now. */
export function findUnusable(
  last: ParsedCertificate,
  { unusable, listed, nowMs }: KnownCas,
): { sha256: string; reason: string; step: string } | undefined {
  for (const { ca: { certificate, file, source }, reason: state } of unusable) {
    const { sha256 } = certificate;
    if (last.sha256 !== sha256 && !isIssuer(certificate, last)) continue;
    const reason = `is signed by the CA ${quote(certificate)} of ${file}, which ${state}`;
    return { sha256, reason, step: source === "learnt" ? NEW_VERSION : `replace it in ${file}` };
  }
  const state = validityProblem(last, nowMs);
  if (state === undefined || !listed.some(({ sha256 }) => sha256 === last.sha256)) return undefined;
  const reason = `is signed by ngrok's CA ${quote(last)}, which ${state}`;
  return { sha256: last.sha256, reason, step: NEW_VERSION };
}

/** Returns the reason why the signer at the end of this path is not trusted. */
export function untrustedReason(
  path: readonly ParsedCertificate[],
  chain: readonly ParsedCertificate[],
  { cas, listed }: KnownCas,
): string {
  const last = path.at(-1)!;
  const known: readonly ListedCa[] = [...cas.map(({ certificate }) => certificate), ...listed];
  const carried = chain.find((certificate) =>
    !path.includes(certificate) && known.some(({ sha256 }) => sha256 === certificate.sha256)
  );
  if (carried !== undefined && !carried.isCa && isIssuer(carried, last)) {
    return `is signed by ${quote(carried)}, which is not a CA`;
  }
  if (carried !== undefined && carried.subjectDer === last.issuerDer) {
    return `includes the trusted CA ${quote(carried)}, but that CA has not signed it`;
  }
  const extra = carried === undefined
    ? ""
    : `; it includes the trusted CA ${quote(carried)}, but that CA has not signed it`;
  // If a chain ends below its CA, only the CA's name is known.
  const name = last.isCa ? last.subject : last.issuer;
  const original = known.find(({ subject, sha256 }) => subject === name && sha256 !== last.sha256);
  if (original !== undefined) {
    const shown = chain.find(({ subject, sha256 }) => subject === name && sha256 !== original.sha256);
    const isKeyKnown = cas.some(({ certificate }) => certificate.sha256 === original.sha256);
    // The key of a CA that is only listed is not known: the server may just not have sent it.
    if (shown === undefined && !isKeyKnown) {
      return `is issued by "${name}", which the server did not send and ngrokd does not know`;
    }
    const sha256 = shown === undefined ? "" : ` (SHA-256 ${shown.sha256})`;
    return `is signed by a CA "${name}"${sha256} that has the name of the trusted CA with SHA-256 ${original.sha256}, ` +
      `but another key`;
  }
  if (path.length > 1) return `is signed by ${quote(last)}, which is not trusted${extra}`;
  if (isIssuer(last, last)) return `is self-signed and not trusted: ${quote(last)}${extra}`;
  return `is issued by "${last.issuer}", which the server did not send and ngrokd does not know${extra}`;
}

function quote({ subject, sha256 }: ParsedCertificate): string {
  return `"${subject}" (SHA-256 ${sha256})`;
}
