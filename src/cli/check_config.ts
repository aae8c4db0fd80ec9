import { loadConfig } from "../config/load.ts";
import { ConfigError, type ConfigProblem } from "../model/errors.ts";
import { operatingSystem } from "../system/environment.ts";
import { readText } from "../system/files.ts";

/** The result of checking a configuration file. */
export interface ConfigCheck {
  /** The reasons to refuse the file; empty if it is valid. */
  readonly problems: readonly ConfigProblem[];
  readonly warnings: readonly ConfigProblem[];
}

/**
 * Checks a configuration file as the daemon does.
 *
 * @throws {FileError} If it cannot be read.
 */
export async function checkConfig(path: string): Promise<ConfigCheck> {
  try {
    const { warnings } = await loadConfig(path, { readText, os: operatingSystem() });
    return { problems: [], warnings };
  } catch (error) {
    if (error instanceof ConfigError) return { problems: error.problems, warnings: [] };
    throw error;
  }
}
