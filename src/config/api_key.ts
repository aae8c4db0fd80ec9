import { normalize } from "node:path";
import { type ConfigProblem, FileError } from "../model/errors.ts";
import { validationError } from "./validation_error.ts";

const KEY_VARIABLE = "NGROK_API_KEY";
const KEY_FILE_VARIABLE = "NGROK_API_KEY_FILE";
const MAX_KEY_LENGTH = 4096;
/** Container engines and Kubernetes write the first two, LoadCredential= of systemd the last. */
const PROVIDED_SECRETS: readonly string[] = ["/run/secrets/", "/var/run/secrets/", "/run/credentials/"];

/** The sources of the key besides the configuration. */
export interface ApiKeySources {
  /** The value of an environment variable; undefined if it is unset or empty. */
  readonly environment: (name: string) => string | undefined;
  readonly readText: (path: string) => Promise<string>;
}

/** The API key with its source; empty and null if there is none. */
export interface ApiKey {
  readonly key: string;
  readonly source: "config" | "environment" | "file" | null;
}

/**
 * Finds the API key: `api.key` of the configuration wins, then `NGROK_API_KEY`, then the file that
 * `NGROK_API_KEY_FILE` names (docs/compatibility.md, Departures).
 *
 * @throws {ConfigError} If the text that was found cannot be a key, or the file cannot be read.
 */
export async function resolveApiKey(configured: string, sources: ApiKeySources): Promise<ApiKey> {
  if (configured !== "") return { key: configured, source: "config" };
  const fromEnvironment = sources.environment(KEY_VARIABLE);
  if (fromEnvironment !== undefined) {
    return { key: checked(fromEnvironment, KEY_VARIABLE), source: "environment" };
  }
  const path = sources.environment(KEY_FILE_VARIABLE);
  if (path === undefined) return { key: "", source: null };
  return { key: checked((await readKeyFile(path, sources)).trim(), KEY_FILE_VARIABLE), source: "file" };
}

/**
 * Returns the reason that a text cannot be an API key; undefined if it can. Never shows the text.
 */
export function apiKeyProblem(key: string): string | undefined {
  if (key === "") return "the key is empty";
  if (/\s/.test(key)) return "the key contains white space or a line break";
  if (!/^[\x21-\x7e]*$/.test(key)) return "the key contains a character that no API key has";
  if (key.length > MAX_KEY_LENGTH) return `the key is longer than ${MAX_KEY_LENGTH} characters`;
  return undefined;
}

/**
 * Returns true if a container engine or systemd writes the file, with a mode in which others can
 * read it (Docker: 0444, systemd: 0440).
 */
export function isProvidedSecret(path: string): boolean {
  return PROVIDED_SECRETS.some((directory) => normalize(path).startsWith(directory));
}

async function readKeyFile(path: string, sources: ApiKeySources): Promise<string> {
  try {
    return await sources.readText(path);
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    throw validationError([problem(KEY_FILE_VARIABLE, error.message, error.hint)]);
  }
}

function checked(key: string, path: string): string {
  const message = apiKeyProblem(key);
  if (message !== undefined) throw validationError([problem(path, message)]);
  return key;
}

function problem(path: string, message: string, suggestion?: string): ConfigProblem {
  return { path, message, ...(suggestion === undefined ? {} : { suggestion }) };
}
