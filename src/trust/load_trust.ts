import { join } from "node:path";
import { FileError, messageOf } from "../model/errors.ts";
import { parseCertificate, type ParsedCertificate } from "../x509/parse_certificate.ts";
import { readPem } from "../x509/pem.ts";
import type { TrustedCa, TrustSource } from "./trusted_ca.ts";

/** The CAs from files that the ingress is verified with, in addition to the runtime's own. */
export interface Trust {
  /** Each certificate once. */
  readonly cas: readonly TrustedCa[];
  /** The files that they come from. */
  readonly sources: readonly string[];
  /** The files that are not used as a whole, and why. */
  readonly problems: readonly FileError[];
}

/**
 * Loads the CAs from files (docs/decisions/0012). A file that cannot be read does not affect the
 * others.
 */
export async function loadTrust(options: TrustOptions): Promise<Trust> {
  const { ingressCa, directory, files, last = [] } = options;
  const cas = new Map<string, TrustedCa>();
  const sources = new Set<string>();
  const problems: FileError[] = [];
  /** Keeps the CAs of the last load whose file cannot be read now. */
  function keep(isConcerned: (ca: TrustedCa) => boolean): void {
    for (const ca of last.filter(isConcerned)) {
      if (!cas.has(ca.certificate.sha256)) cas.set(ca.certificate.sha256, ca);
      sources.add(ca.file);
    }
  }
  const candidates: [string, TrustSource][] = ingressCa === undefined ? [] : [[ingressCa, "ingress_ca"]];
  try {
    const names = (await files.listDirectory(directory)).filter((name) => !name.startsWith("."));
    candidates.push(...names.map((name): [string, TrustSource] => [join(directory, name), "directory"]));
  } catch (error) {
    problems.push(asFileError(error));
    keep(({ source }) => source === "directory");
  }
  for (const [file, source] of candidates) {
    try {
      for (const certificate of await readCas(file, files)) {
        if (!cas.has(certificate.sha256)) cas.set(certificate.sha256, { certificate, source, file });
      }
      sources.add(file);
    } catch (error) {
      problems.push(asFileError(error));
      keep((ca) => ca.file === file || ca.source === source && source === "ingress_ca");
    }
  }
  return { cas: [...cas.values()], sources: [...sources], problems };
}

/** Options of {@linkcode loadTrust}. */
export interface TrustOptions {
  /** `server.ingress_ca`: a PEM file. */
  readonly ingressCa?: string | undefined;
  /** A directory of PEM files. Names that begin with a dot are ignored. */
  readonly directory: string;
  /** The CAs of the last load. Those of a file that exists and cannot be read now stay trusted. */
  readonly last?: readonly TrustedCa[];
  readonly files: TrustFiles;
}

/** The file operations that {@linkcode loadTrust} needs. They throw {@linkcode FileError}. */
export interface TrustFiles {
  /** Returns the names in a directory; empty if it does not exist. */
  listDirectory(path: string): Promise<string[]>;
  readText(path: string): Promise<string>;
}

/**
 * Reads all certificates of a PEM file.
 *
 * @throws {FileError} If one of them cannot be read, or there is none.
 */
export async function readCas(
  path: string,
  files: Pick<TrustFiles, "readText">,
): Promise<ParsedCertificate[]> {
  const blocks = readPem(await files.readText(path)).filter(({ label }) => label === "CERTIFICATE");
  if (blocks.length === 0) {
    throw new FileError(`Cannot trust ${path}: it holds no PEM certificate`, { path, reason: "other" });
  }
  const certificates: ParsedCertificate[] = [];
  for (const { der } of blocks) {
    try {
      certificates.push(parseCertificate(der));
    } catch (error) {
      // The runtime's TLS would refuse every connection because of one malformed CA.
      throw new FileError(`Cannot trust ${path}: ${messageOf(error)}`, {
        path,
        reason: "other",
        cause: error,
      });
    }
  }
  return certificates;
}

function asFileError(error: unknown): FileError {
  if (error instanceof FileError) return error;
  throw error;
}
