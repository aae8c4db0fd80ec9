import { loadConfig } from "../config/load.ts";
import { ConfigError, type ConfigProblem } from "../model/errors.ts";
import { operatingSystem } from "../system/environment.ts";
import { readText } from "../system/files.ts";

/** What the daemon would say of a configuration file. */
export interface ConfigCheck {
  /** Why it would be refused; empty if it would not. */
  readonly problems: readonly ConfigProblem[];
  readonly warnings: readonly ConfigProblem[];
}

/**
 * Reads and checks a configuration file.
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
