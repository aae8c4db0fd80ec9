import { join } from "node:path";
import { FileError, messageOf } from "../model/errors.ts";
import { readCertificate } from "./certificate.ts";
import { readPem } from "./pem.ts";

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
  /** One certificate each. */
  readonly pems: readonly string[];
  /** The files that they come from. */
  readonly sources: readonly string[];
  /** Files that are not used, as a whole, and why. */
  readonly problems: readonly FileError[];
}

/** Reads the certificates that the ingress is verified with (DESIGN.md decision 7). One that cannot be read does not spoil the others. */
export async function loadTrust(options: TrustOptions): Promise<Trust> {
  const { ingressCa, directory, files } = options;
  const pems = new Set<string>();
  const sources: string[] = [];
  const problems: FileError[] = [];
  const paths = ingressCa === undefined ? [] : [ingressCa];
  try {
    const names = (await files.listDirectory(directory)).filter((name) => !name.startsWith("."));
    paths.push(...names.map((name) => join(directory, name)));
  } catch (error) {
    problems.push(asFileError(error));
  }
  for (const path of paths) {
    try {
      for (const pem of await readAnchors(path, files)) pems.add(pem);
      sources.push(path);
    } catch (error) {
      problems.push(asFileError(error));
    }
  }
  return { pems: [...pems], sources, problems };
}

async function readAnchors(path: string, files: TrustFiles): Promise<string[]> {
  const blocks = readPem(await files.readText(path)).filter(({ label }) => label === "CERTIFICATE");
  if (blocks.length === 0) {
    throw new FileError(`Cannot trust ${path}: it holds no PEM certificate`, { path, reason: "other" });
  }
  for (const { pem } of blocks) {
    try {
      await readCertificate(pem);
    } catch (error) {
      // TLS would refuse every connection for one such block.
      throw new FileError(`Cannot trust ${path}: ${messageOf(error)}`, {
        path,
        reason: "other",
        cause: error,
      });
    }
  }
  return blocks.map(({ pem }) => pem);
}

function asFileError(error: unknown): FileError {
  if (error instanceof FileError) return error;
  throw error;
}
