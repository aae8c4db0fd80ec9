import { ConfigError, FileError } from "../model/errors.ts";
import { parseYaml } from "./parse_yaml.ts";
import { parseConfig, type ParsedConfig, type ParseOptions } from "./schema.ts";
import { validationError } from "./validation_error.ts";

const MAX_BYTES = 1024 * 1024;

/** How the file is read, and what its values are checked against. */
export interface LoadOptions extends ParseOptions {
  readonly readText: (path: string, maxBytes: number) => Promise<string>;
}

/**
 * Reads and checks the configuration file. An empty file means the defaults; a file that cannot be read never does.
 *
 * @throws {FileError} If it cannot be read.
 * @throws {ConfigError} With all problems of the syntax, or of the values.
 */
export async function loadConfig(path: string, options: LoadOptions): Promise<ParsedConfig> {
  const { readText, ...parseOptions } = options;
  const text = await readConfigText(path, readText);
  try {
    return parseConfig(parseYaml(text).value, parseOptions);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw validationError(error.problems, { hint: `Correct ${path}` });
  }
}

async function readConfigText(path: string, readText: LoadOptions["readText"]): Promise<string> {
  try {
    return await readText(path, MAX_BYTES);
  } catch (error) {
    if (!(error instanceof FileError) || error.reason !== "missing") throw error;
    const hint = "Create the file (an empty one means the defaults), or name another with --config";
    throw new FileError(error.message, { path, reason: error.reason, cause: error, hint });
  }
}
