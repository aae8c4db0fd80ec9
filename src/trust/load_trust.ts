import { join } from "node:path";
import { FileError, messageOf } from "../model/errors.ts";
import type { TrustedCa, TrustSource } from "./judge_chain.ts";
import { readPem } from "../x509/pem.ts";
import { parseCertificate, type ParsedCertificate } from "../x509/parse_certificate.ts";

/** The file operations that {@linkcode loadTrust} needs; they throw {@linkcode FileError}. */
export interface TrustFiles {
  /** The names in a directory; empty if there is none. */
  listDirectory(path: string): Promise<string[]>;
  readText(path: string): Promise<string>;
}

/** Where certificates that the ingress may be verified with are looked for. */
export interface TrustOptions {
  /** `server.ingress_ca`: a PEM file. */
  readonly ingressCa?: string | undefined;
  /** Each file in it that does not begin with a dot is read. */
  readonly directory: string;
  readonly files: TrustFiles;
}

/** What is trusted for the ingress beside Deno's own roots. */
export interface Trust {
  /** Each certificate once. */
  readonly cas: readonly TrustedCa[];
  /** The files that they come from. */
  readonly sources: readonly string[];
  /** Files that are not used, as a whole, and why. */
  readonly problems: readonly FileError[];
}

/** Reads the certificates that the ingress is verified with (DESIGN.md decision 7). One that cannot be read does not spoil the others. */
export async function loadTrust(options: TrustOptions): Promise<Trust> {
  const { ingressCa, directory, files } = options;
  const cas = new Map<string, TrustedCa>();
  const sources: string[] = [];
  const problems: FileError[] = [];
  const places: [string, TrustSource][] = ingressCa === undefined ? [] : [[ingressCa, "ingress_ca"]];
  try {
    const names = (await files.listDirectory(directory)).filter((name) => !name.startsWith("."));
    places.push(...names.map((name): [string, TrustSource] => [join(directory, name), "directory"]));
  } catch (error) {
    problems.push(asFileError(error));
  }
  for (const [path, source] of places) {
    try {
      for (const certificate of await readCas(path, files)) {
        const ca = { certificate, source, file: path };
        if (!cas.has(certificate.sha256)) cas.set(certificate.sha256, ca);
      }
      sources.push(path);
    } catch (error) {
      problems.push(asFileError(error));
    }
  }
  return { cas: [...cas.values()], sources, problems };
}

/**
 * All certificates of a PEM file.
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
      certificates.push(await parseCertificate(der));
    } catch (error) {
      // TLS would refuse every connection for one such block.
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
