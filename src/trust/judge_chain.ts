import { normalizeHostname } from "../lib/hostname.ts";
import { parseIpv4 } from "../lib/ipv4.ts";
import { validityProblem } from "../x509/expiry.ts";
import type { ListedCa } from "./listed_cas.ts";
import type { ParsedCertificate } from "../x509/parse_certificate.ts";

/** Where a CA that is trusted beside the runtime's own comes from. */
export type TrustSource = "directory" | "ingress_ca" | "learnt";

/** A CA that is trusted beside the runtime's own. */
export interface TrustedCa {
  readonly certificate: ParsedCertificate;
  readonly source: TrustSource;
  readonly file: string;
}

/** A CA that was given or learnt, and does not count. */
export interface UnusableCa {
  readonly ca: TrustedCa;
  /** As it goes on from its name. */
  readonly why: string;
}

/** What a chain is judged by. */
export interface JudgeOptions {
  /** Whom the server must be. */
  readonly hostname: string;
  readonly cas: readonly TrustedCa[];
  /** Known and not counted. @default {[]} */
  readonly unusable?: readonly UnusableCa[];
  /** Whether the runtime's own CAs vouch for the chain, be it for another name. @default {false} */
  readonly byRoots?: boolean;
  /** Named when the server shows one that is not it. */
  readonly listed: readonly ListedCa[];
  readonly nowMs: number;
}

/** What is to be said of a chain. Each reason goes on from "the ingress's certificate". */
export interface Verdict {
  /** The CA that it leads to; undefined if to none of those that were given. */
  readonly ca: TrustedCa | undefined;
  /** Whether it leads to a CA that is trusted, that one or one of the runtime's own. */
  readonly isSignerTrusted: boolean;
  /** Why it is refused; empty if it verifies. */
  readonly reasons: readonly string[];
  /** What to do about the signer, or about a certificate whose signer is trusted, where that is known. */
  readonly step?: string | undefined;
}

const MAX_NAMES = 5;
const NEW_VERSION =
  "look at this machine's clock; if that is right, a new version of ngrokd knows the CA that comes after it";

const NOT_AS_CA =
  "make the server's certificate anew with CA:FALSE (openssl req -x509 … -addext basicConstraints=critical,CA:FALSE)";

/**
 * Says what is wrong with the chain that a server presents, all of it. It explains and never admits: what a connection may use is verified
 * by the TLS of the runtime.
 */
export async function judgeChain(
  chain: readonly ParsedCertificate[],
  options: JudgeOptions,
): Promise<Verdict> {
  const { hostname, nowMs, byRoots = false } = options;
  const [leaf] = chain;
  if (leaf === undefined) return { ca: undefined, isSignerTrusted: false, reasons: ["cannot be read"] };
  const { path, ca } = await findCa(leaf, chain, options.cas);
  const isSignerTrusted = ca !== undefined || byRoots;
  const ended = isSignerTrusted ? undefined : await findEnded(path.at(-1)!, options);
  const reasons = [
    ...(isSignerTrusted ? [] : [ended?.reason ?? await whyUntrusted(path, chain, options)]),
    ...path.filter(({ sha256 }) => sha256 !== ended?.sha256).flatMap((certificate) =>
      datesOf(certificate, { nowMs, isLeaf: certificate === leaf })
    ),
    ...(leaf.names.some((name) => isNameFor(name, hostname))
      ? []
      : [`is ${namesOf(leaf)}, not for ${hostname}`]),
    ...(leaf.isForServers ? [] : ["may not be used by a server (its extKeyUsage)"]),
    ...(leaf.saysCa ? ["is that of a CA (its basicConstraints say CA:TRUE), which no server may use"] : []),
  ];
  const step = ended?.step ?? (isSignerTrusted && leaf.saysCa ? NOT_AS_CA : undefined);
  return { ca, isSignerTrusted, reasons, step };
}

interface Path {
  /** From the server's own certificate upwards, without the ca. */
  readonly path: readonly ParsedCertificate[];
  readonly ca: TrustedCa | undefined;
}

async function findCa(
  leaf: ParsedCertificate,
  chain: readonly ParsedCertificate[],
  cas: readonly TrustedCa[],
): Promise<Path> {
  const path = [leaf];
  for (;;) {
    const last = path.at(-1)!;
    for (const ca of cas) {
      if (await isIssuer(ca.certificate, last)) return { path, ca };
    }
    let above: ParsedCertificate | undefined;
    for (const candidate of chain) {
      if (path.includes(candidate) || !candidate.isCa) continue;
      if (await isIssuer(candidate, last)) above = candidate;
      if (above !== undefined) break;
    }
    if (above === undefined) return { path, ca: undefined };
    path.push(above);
  }
}

/** A signature that cannot be checked here counts: the TLS of the runtime checks it again. */
async function isIssuer(issuer: ParsedCertificate, subject: ParsedCertificate): Promise<boolean> {
  return issuer.subjectDer === subject.issuerDer && await subject.isSignedBy(issuer) !== false;
}

/** The known CA that has signed it and does not count now. */
async function findEnded(
  last: ParsedCertificate,
  options: JudgeOptions,
): Promise<{ sha256: string; reason: string; step: string } | undefined> {
  const { unusable = [], listed, nowMs } = options;
  for (const { ca: { certificate, file, source }, why } of unusable) {
    const { sha256 } = certificate;
    if (last.sha256 !== sha256 && !await isIssuer(certificate, last)) continue;
    const reason = `is signed by the CA ${quote(certificate)} of ${file}, which ${why}`;
    return { sha256, reason, step: source === "learnt" ? NEW_VERSION : `replace it in ${file}` };
  }
  const why = validityProblem(last, nowMs);
  if (why === undefined || !listed.some(({ sha256 }) => sha256 === last.sha256)) return undefined;
  const reason = `is signed by ngrok's CA ${quote(last)}, which ${why}`;
  return { sha256: last.sha256, reason, step: NEW_VERSION };
}

async function whyUntrusted(
  path: readonly ParsedCertificate[],
  chain: readonly ParsedCertificate[],
  options: JudgeOptions,
): Promise<string> {
  const { cas, listed } = options;
  const last = path.at(-1)!;
  const known: readonly ListedCa[] = [...cas.map(({ certificate }) => certificate), ...listed];
  const carried = chain.find((certificate) =>
    !path.includes(certificate) && known.some(({ sha256 }) => sha256 === certificate.sha256)
  );
  if (carried !== undefined && !carried.isCa && await isIssuer(carried, last)) {
    return `is signed by ${quote(carried)}, which is not a CA`;
  }
  if (carried !== undefined && carried.subjectDer === last.issuerDer) {
    return `carries ngrok's or another trusted CA ${quote(carried)}, but is not signed by its key`;
  }
  const beside = carried === undefined
    ? ""
    : `; the trusted CA ${quote(carried)} comes with it, but has not signed it`;
  // A chain that ends below its CA has the CA's name only.
  const name = last.isCa ? last.subject : last.issuer;
  const original = known.find(({ subject, sha256 }) => subject === name && sha256 !== last.sha256);
  if (original !== undefined) {
    const shown = chain.find(({ subject, sha256 }) => subject === name && sha256 !== original.sha256);
    const isKeyKnown = cas.some(({ certificate }) => certificate.sha256 === original.sha256);
    // Of a CA that is on the list only, the key is not known: the true one may just not have been sent.
    if (shown === undefined && !isKeyKnown) {
      return `is signed by "${name}", which did not come with it and has not been learnt or fetched`;
    }
    const sha256 = shown === undefined ? "" : ` (SHA-256 ${shown.sha256})`;
    return `is signed by a CA "${name}"${sha256} that has the name of the trusted CA with SHA-256 ${original.sha256}, ` +
      `but another key`;
  }
  if (path.length > 1) return `is signed by ${quote(last)}, which is not trusted${beside}`;
  if (await isIssuer(last, last)) return `is signed by itself and not trusted: ${quote(last)}${beside}`;
  return `is signed by "${last.issuer}", which is not trusted and did not come with it${beside}`;
}

function quote({ subject, sha256 }: ParsedCertificate): string {
  return `"${subject}" (SHA-256 ${sha256})`;
}

function datesOf(certificate: ParsedCertificate, at: { nowMs: number; isLeaf: boolean }): string[] {
  const why = validityProblem(certificate, at.nowMs);
  if (why === undefined) return [];
  return [`${at.isLeaf ? "" : `comes with the CA "${certificate.subject}", which `}${why}`];
}

function namesOf({ names }: ParsedCertificate): string {
  if (names.length === 0) return "for no name";
  const shown = names.slice(0, MAX_NAMES).join(", ");
  return `for ${shown}${names.length > MAX_NAMES ? ` and ${names.length - MAX_NAMES} more` : ""}`;
}

/** RFC 6125 6.4: a wildcard stands for one whole label, the first. */
function isNameFor(name: string, hostname: string): boolean {
  if (parseIpv4(hostname) !== undefined) return name === hostname;
  const [presented, wanted] = [normalizeHostname(name), normalizeHostname(hostname)];
  if (!presented.startsWith("*.")) return presented === wanted;
  const dot = wanted.indexOf(".");
  return dot > 0 && presented.slice(1) === wanted.slice(dot);
}
