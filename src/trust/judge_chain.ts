import { normalizeHostname } from "../lib/hostname.ts";
import { parseIpv4 } from "../lib/ipv4.ts";
import { validityProblem } from "../x509/expiry.ts";
import type { ParsedCertificate } from "../x509/parse_certificate.ts";
import { findPath } from "./chain_path.ts";
import type { ListedCa } from "./listed_cas.ts";
import type { TrustedCa, UnusableCa } from "./trusted_ca.ts";
import { findUnusable, untrustedReason } from "./untrusted_reason.ts";

const MAX_NAMES = 5;
const NOT_AS_CA =
  "reissue the server's certificate with CA:FALSE (openssl req -x509 … -addext basicConstraints=critical,CA:FALSE)";

/**
 * Finds everything that is wrong with the chain of a server. The result explains and permits
 * nothing: the runtime's TLS verifies each connection by itself.
 */
export function judgeChain(
  chain: readonly ParsedCertificate[],
  options: JudgeOptions,
): Verdict {
  const { hostname, nowMs, byRoots } = options;
  const [leaf, ...rest] = chain;
  if (leaf === undefined) return { ca: undefined, isSignerTrusted: false, reasons: ["cannot be read"] };
  const { path, ca } = findPath([leaf, ...rest], options.cas);
  const isSignerTrusted = ca !== undefined || byRoots;
  const unusable = isSignerTrusted ? undefined : findUnusable(path.at(-1)!, options);
  const reasons = [
    ...(isSignerTrusted ? [] : [unusable?.reason ?? untrustedReason(path, chain, options)]),
    ...path.filter(({ sha256 }) => sha256 !== unusable?.sha256).flatMap((certificate) =>
      dateProblems(certificate, { nowMs, isLeaf: certificate === leaf })
    ),
    ...(leaf.names.some((name) => isNameFor(name, hostname))
      ? []
      : [`is ${namesOf(leaf)}, not for ${hostname}`]),
    ...(leaf.isForServers ? [] : ["may not be used by a server (its extKeyUsage)"]),
    ...(leaf.hasCaFlag
      ? ["is that of a CA (its basicConstraints say CA:TRUE), which no server may use"]
      : []),
  ];
  const step = unusable?.step ?? (isSignerTrusted && leaf.hasCaFlag ? NOT_AS_CA : undefined);
  return { ca, isSignerTrusted, reasons, step };
}

/** Options of {@linkcode judgeChain}. */
export interface JudgeOptions {
  /** The name that the server must have. */
  readonly hostname: string;
  readonly cas: readonly TrustedCa[];
  /** CAs that are trusted but cannot be used now. */
  readonly unusable: readonly UnusableCa[];
  /** True if the runtime's own CAs verify the chain, even for another name. */
  readonly byRoots: boolean;
  /** CAs to name if the server shows one that only imitates them. */
  readonly listed: readonly ListedCa[];
  readonly nowMs: number;
}

/** The result of {@linkcode judgeChain}. */
export interface Verdict {
  /** The CA of the options that the chain leads to. */
  readonly ca: TrustedCa | undefined;
  /** True if the chain leads to any trusted CA, the runtime's own included. */
  readonly isSignerTrusted: boolean;
  /**
   * The problems, empty if the chain verifies. Each continues a sentence that begins with "the
   * ingress's certificate".
   */
  readonly reasons: readonly string[];
  /** The next step, if one is known. */
  readonly step?: string | undefined;
}

function dateProblems(certificate: ParsedCertificate, options: { nowMs: number; isLeaf: boolean }): string[] {
  const why = validityProblem(certificate, options.nowMs);
  if (why === undefined) return [];
  return [`${options.isLeaf ? "" : `comes with the CA "${certificate.subject}", which `}${why}`];
}

function namesOf({ names }: ParsedCertificate): string {
  if (names.length === 0) return "for no name";
  const shown = names.slice(0, MAX_NAMES).join(", ");
  return `for ${shown}${names.length > MAX_NAMES ? ` and ${names.length - MAX_NAMES} more` : ""}`;
}

/**
 * Returns true if the certificate's name matches. A wildcard matches one whole label, the first
 * (RFC 6125 6.4).
 */
function isNameFor(name: string, hostname: string): boolean {
  if (parseIpv4(hostname) !== undefined) return name === hostname;
  const [presented, wanted] = [normalizeHostname(name), normalizeHostname(hostname)];
  if (!presented.startsWith("*.")) return presented === wanted;
  const dot = wanted.indexOf(".");
  return dot > 0 && presented.slice(1) === wanted.slice(dot);
}
