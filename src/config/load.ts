import { ConfigError, FileError, type FileFailure } from "../model/errors.ts";
import { hasCredentials } from "../model/proxy.ts";
import type { Config } from "./config.ts";
import { parseYaml } from "./parse_yaml.ts";
import { parseConfig, type ParsedConfig, type ParseOptions } from "./schema.ts";
import { validationError } from "./validation_error.ts";

/** The largest configuration file. {@linkcode parseYaml} limits what takes long to parse in it. */
export const MAX_CONFIG_BYTES: number = 256 * 1024;
const HINTS: Partial<Record<FileFailure, string>> = {
  missing: "Create the file (it may be empty), or name another with --config",
  denied: "Start ngrokd as root or as the owner of the file, or name another with --config",
};

/**
 * Reads and checks the configuration file. An empty file means the defaults.
 *
 * @throws {FileError} If it cannot be read.
 * @throws {ConfigError} With all problems of the syntax or of the values.
 */
export async function loadConfig(path: string, options: LoadOptions): Promise<ParsedConfig> {
  const { readText, ...parseOptions } = options;
  const text = await readConfigText(path, readText);
  try {
    return parseConfig(parseYaml(text).value, { ...parseOptions, path });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw validationError(error.problems, { hint: `Correct ${path}` });
  }
}

/**
 * Loads the configuration for a daemon: nobody but root and its user may be able to change the file
 * or, if it holds the API key or the password of a proxy, to open it.
 *
 * @throws As {@linkcode loadConfig} does; {@linkcode FileError} `unsafe`.
 */
export async function loadGuarded(path: string, options: GuardedLoadOptions): Promise<ParsedConfig> {
  const { readGuarded, ...rest } = options;
  const readText = (path: string, maxBytes: number) => readGuarded(path, { maxBytes });
  const parsed = await loadConfig(path, { ...rest, readText });
  if (holdsSecret(parsed.config)) await readGuarded(path, { maxBytes: MAX_CONFIG_BYTES, isSecret: true });
  return parsed;
}

function holdsSecret({ api, proxy }: Config): boolean {
  return api.key !== "" || (proxy !== undefined && hasCredentials(proxy));
}

/** Options of {@linkcode loadGuarded}. */
export interface GuardedLoadOptions extends ParseOptions {
  readonly readGuarded: (
    path: string,
    options: { readonly maxBytes: number; readonly isSecret?: boolean },
  ) => Promise<string>;
}

/** The reader of the file, and the machine that its values are for. */
export interface LoadOptions extends ParseOptions {
  readonly readText: (path: string, maxBytes: number) => Promise<string>;
}

async function readConfigText(path: string, readText: LoadOptions["readText"]): Promise<string> {
  try {
    return await readText(path, MAX_CONFIG_BYTES);
  } catch (error) {
    const hint = error instanceof FileError ? HINTS[error.reason] : undefined;
    if (!(error instanceof FileError) || hint === undefined) throw error;
    throw new FileError(error.message, { path, reason: error.reason, cause: error, hint });
  }
}
