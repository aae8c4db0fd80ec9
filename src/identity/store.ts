import { dirname } from "node:path";
import { getLogger } from "@logtape/logtape";
import { OPERATOR_ID } from "../cloud/schemas.ts";
import { CertificateError, FileError, messageOf } from "../model/errors.ts";
import { DAMAGED_SUFFIX, statePathsIn } from "../model/state_files.ts";
import type { AtomicWriteOptions } from "../system/files.ts";
import { isUnusable, setAside } from "../system/set_aside.ts";
import { readPem } from "../x509/pem.ts";
import { canonicalChain } from "./canonical_chain.ts";
import { type CertificateInfo, checkPair } from "./certificate.ts";
import { checkIssued, RETRY } from "./check_issued.ts";

const log = getLogger(["ngrokd", "identity"]);

const KEY_MODE = 0o600;
const PUBLIC_MODE = 0o644;
const DIRECTORY_MODE = 0o700;

/**
 * The operator id, key and certificate on disk (docs/compatibility.md 4.5). Key and certificate are
 * two files that must change together: a new pair is first written as a whole to `tls.pending`,
 * from which the next load finishes an interrupted renewal. So a crash at any point leaves a pair
 * that fits.
 */
export class IdentityStore {
  readonly #certPath: string;
  readonly #keyPath: string;
  readonly #idPath: string;
  readonly #pendingPath: string;
  readonly #files: IdentityFiles;
  readonly #checkTls: IdentityStoreOptions["checkTls"];

  constructor(options: IdentityStoreOptions) {
    const paths = statePathsIn(options.directory);
    this.#certPath = options.certPath;
    this.#keyPath = options.keyPath;
    this.#idPath = paths.operatorId;
    this.#pendingPath = paths.pendingPair;
    this.#files = options.files;
    this.#checkTls = options.checkTls;
  }

  /**
   * Reads the identity, and finishes an interrupted {@linkcode savePair}. A certificate and a key
   * that do not fit are set aside, and so is what is no regular file, has another owner, or has a
   * mode that lets others open the key.
   *
   * @throws {FileError} If a file cannot be read now: it may be good.
   */
  async load(): Promise<StoredIdentity> {
    const problems: FileError[] = [];
    const operatorId = await this.#loadOperatorId(problems);
    const pair = await this.#loadPending(problems) ?? await this.#loadPair(problems);
    return { operatorId, pair, problems };
  }

  /** Saves the id. @throws {FileError} @throws {RangeError} If it is not an id. */
  async saveOperatorId(id: string): Promise<void> {
    if (!OPERATOR_ID.test(id)) throw new RangeError("Cannot save the operator id: it is not an id");
    await this.#files.makeDirectory(dirname(this.#idPath), DIRECTORY_MODE);
    await this.#files.writeFileAtomic(this.#idPath, id, { mode: PUBLIC_MODE });
  }

  /** Removes the id. The pair stays: the ingress may still accept it. @throws {FileError} */
  async forgetOperatorId(): Promise<void> {
    await this.#files.removeFile(this.#idPath);
  }

  /**
   * Replaces key and certificate by newly issued ones.
   *
   * @param inUse The certificate that is replaced, if there is one.
   * @throws {CertificateError} If they cannot be used; nothing is written.
   * @throws {FileError} If they cannot be written; a later load gives the old pair or the new one.
   */
  async savePair({ cert: issued, key }: Omit<Pair, "info">, inUse?: CertificateInfo): Promise<Pair> {
    const cert = canonicalChain(issued);
    const info = await checkIssued(cert, { key, inUse, nowMs: Date.now() });
    this.#demandTls({ cert, key });
    if (inUse !== undefined && info.issuer !== inUse.issuer) {
      log.warn("The new certificate is from another issuer", {
        cert: info.serial,
        cert_issuer: info.issuer,
        old_cert_issuer: inUse.issuer,
      });
    }
    for (const path of [this.#pendingPath, this.#keyPath, this.#certPath]) {
      await this.#files.makeDirectory(dirname(path), DIRECTORY_MODE);
    }
    await this.#files.writeFileAtomic(this.#pendingPath, `${key.trimEnd()}\n${cert.trimEnd()}\n`, {
      mode: KEY_MODE,
    });
    await this.#replacePair(cert, key);
    return { cert, key, info };
  }

  /** Loads the pair as TLS would, because it replaces one that works. @throws {CertificateError} */
  #demandTls(pair: { cert: string; key: string }): void {
    try {
      this.#checkTls(pair);
    } catch (cause) {
      const message = `Cannot use the new certificate: TLS cannot load it (${messageOf(cause)})`;
      throw new CertificateError(message, { code: "unreadable", cause, hint: RETRY });
    }
  }

  async #replacePair(cert: string, key: string): Promise<void> {
    await this.#files.writeFileAtomic(this.#keyPath, key, { mode: KEY_MODE });
    await this.#files.writeFileAtomic(this.#certPath, cert, { mode: PUBLIC_MODE });
    await this.#files.removeFile(this.#pendingPath);
  }

  async #loadOperatorId(problems: FileError[]): Promise<string | undefined> {
    const path = this.#idPath;
    const id = (await this.#read(path, { problems }))?.trim() ?? "";
    if (id === "") return undefined;
    if (OPERATOR_ID.test(id)) return id;
    problems.push(
      new FileError(`Cannot use ${path}: it does not hold an operator id`, { path, reason: "other" }),
    );
    return undefined;
  }

  async #loadPending(problems: FileError[]): Promise<Pair | undefined> {
    const path = this.#pendingPath;
    const text = await this.#read(path, { isSecret: true, problems });
    if (text === undefined) return undefined;
    const blocks = readPem(text);
    const cert = blocks.filter(({ label }) => label === "CERTIFICATE").map(({ pem }) => pem).join("");
    const key = blocks.find(({ label }) => label.endsWith("PRIVATE KEY"))?.pem ?? "";
    let info: CertificateInfo;
    try {
      info = await checkPair(cert, key);
    } catch (cause) {
      const message = `Cannot finish the interrupted renewal in ${path}, which was removed: ${
        messageOf(cause)
      }`;
      problems.push(new FileError(message, { path, reason: "other", cause }));
      await this.#collect(problems, () => this.#files.removeFile(path));
      return undefined;
    }
    log.info("Finishing an interrupted renewal of the certificate");
    await this.#collect(problems, () => this.#replacePair(cert, key));
    return { cert, key, info };
  }

  async #loadPair(problems: FileError[]): Promise<Pair | undefined> {
    const [certPath, keyPath] = [this.#certPath, this.#keyPath];
    const key = await this.#read(keyPath, { isSecret: true, problems });
    const cert = await this.#read(certPath, { problems });
    if (key === undefined && cert === undefined) return undefined;
    try {
      if (key === undefined) throw new SyntaxError(`Cannot use the certificate: ${keyPath} is missing`);
      if (cert === undefined) throw new SyntaxError(`Cannot use the private key: ${certPath} is missing`);
      return { cert, key, info: await checkPair(cert, key) };
    } catch (cause) {
      const message = `Cannot use ${certPath} with ${keyPath}; setting them aside as *${DAMAGED_SUFFIX}: ${
        messageOf(cause)
      }`;
      const hint = "ngrokd requests a new certificate automatically";
      problems.push(new FileError(message, { path: certPath, reason: "other", cause, hint }));
    }
    for (const [path, text] of [[certPath, cert], [keyPath, key]] as const) {
      if (text !== undefined) {
        await this.#collect(problems, () => this.#files.renameFile(path, path + DAMAGED_SUFFIX));
      }
    }
    return undefined;
  }

  /**
   * Reads a file; one that can never be used is set aside, and is a problem.
   *
   * @throws {FileError}
   */
  async #read(
    path: string,
    { isSecret = false, problems }: { isSecret?: boolean; problems: FileError[] },
  ): Promise<string | undefined> {
    try {
      return await this.#files.readOwnIfAny(path, { isSecret });
    } catch (cause) {
      if (!isUnusable(cause)) throw withHint(cause);
      const { message, reason } = cause;
      const hint = "ngrokd replaces it automatically";
      const fate = await setAside(path, this.#files);
      problems.push(new FileError(`${message}; ${fate}`, { path, reason, cause, hint }));
      return undefined;
    }
  }

  /**
   * Collects the error of a task: a disk that cannot be written must not make a good pair useless.
   */
  async #collect(problems: FileError[], task: () => Promise<void>): Promise<void> {
    try {
      await task();
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      problems.push(error);
    }
  }
}

/** Adds the next step for a file of another user, which stays: a new identity would replace it. */
function withHint(error: unknown): unknown {
  if (!(error instanceof FileError) || error.reason !== "denied") return error;
  const { message, path, reason } = error;
  const hint = "Start ngrokd as root or as the owner of the file";
  return new FileError(message, { path, reason, cause: error, hint });
}

/** The file operations that the store needs; all throw {@linkcode FileError}. */
export interface IdentityFiles {
  /** Reads a file that only ngrokd writes; undefined if it does not exist. */
  readOwnIfAny(path: string, options: { readonly isSecret: boolean }): Promise<string | undefined>;
  writeFileAtomic(path: string, text: string, options: AtomicWriteOptions): Promise<void>;
  renameFile(from: string, to: string): Promise<void>;
  removeFile(path: string): Promise<void>;
  makeDirectory(path: string, mode: number): Promise<void>;
}

/** Options of {@linkcode IdentityStore}. */
export interface IdentityStoreOptions {
  /** The directory of `operator_id` and `tls.pending`. */
  readonly directory: string;
  readonly certPath: string;
  readonly keyPath: string;
  readonly files: IdentityFiles;
  /** Throws if TLS cannot load a pair. */
  readonly checkTls: (pair: { readonly cert: string; readonly key: string }) => void;
}

/** A certificate and the key that fits it, both PEM. */
export interface Pair {
  readonly cert: string;
  readonly key: string;
  readonly info: CertificateInfo;
}

/** The identity as it was on disk. */
export interface StoredIdentity {
  /** Undefined: not registered. */
  readonly operatorId: string | undefined;
  /** Undefined: a certificate must be requested. */
  readonly pair: Pair | undefined;
  /** Each problem that was found, with what was done about it. */
  readonly problems: readonly FileError[];
}
