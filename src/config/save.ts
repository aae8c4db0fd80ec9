import { ConfigError, FileError } from "../model/errors.ts";
import { apiKeyProblem } from "./api_key.ts";
import { keySplices } from "./api_key_splices.ts";
import { MAX_CONFIG_BYTES } from "./load.ts";
import { parseYaml } from "./parse_yaml.ts";
import { validationError } from "./validation_error.ts";

const KEY_PATH = "api.key";
const FILE_MODE = 0o600;

/**
 * Writes the API key into the configuration file and keeps every other byte. A missing file is
 * created. The mode becomes 0600. `path` must not be a symbolic link, which would be replaced.
 *
 * @throws {FileError} If the file cannot be read or written.
 * @throws {ConfigError} If the key or the content of the file does not allow it; the file is
 * unchanged.
 */
export async function saveApiKey(path: string, key: string, options: SaveOptions): Promise<void> {
  const { readText, writeAtomic } = options;
  const text = await readText(path, MAX_CONFIG_BYTES).catch((error: unknown) => {
    if (error instanceof FileError && error.reason === "missing") return "";
    throw error;
  });
  // The reader puts this character for bytes that are not UTF-8, which would be lost.
  if (text.includes("\ufffd")) {
    throw cannotWrite("the file holds bytes that are not UTF-8", `Save ${path} as UTF-8`);
  }
  await writeAtomic(path, setApiKeyText(text, key), { mode: FILE_MODE });
}

/** Access to the configuration file. */
export interface SaveOptions {
  readonly readText: (path: string, maxBytes: number) => Promise<string>;
  readonly writeAtomic: (path: string, text: string, options: { readonly mode: number }) => Promise<void>;
}

/**
 * Returns the text of a configuration file with another API key, in double quotes; every other byte
 * stays.
 *
 * @throws {ConfigError} If the key is invalid, the text is not YAML, or no edit sets only the key.
 */
export function setApiKeyText(text: string, key: string): string {
  const problem = apiKeyProblem(key);
  if (problem !== undefined) throw cannotWrite(problem, "Copy the key from the ngrok dashboard");
  const before = parseYaml(text);
  // Most layouts allow one edit. If there are several, the first that changes nothing else is used.
  for (
    const { start, end, text: piece } of keySplices(text, before.document, { value: JSON.stringify(key) })
  ) {
    const result = text.slice(0, start) + piece + text.slice(end);
    if (changesOnlyKey(before.value, result, key)) return result;
  }
  throw cannotWrite(
    "the key cannot be changed alone in this layout of the file",
    `Edit the file: write "api:", and "  key: …" below it`,
  );
}

function changesOnlyKey(before: unknown, result: string, key: string): boolean {
  try {
    const after = parseYaml(result).value;
    return apiKeyOf(after) === key &&
      JSON.stringify(withoutKey(before)) === JSON.stringify(withoutKey(after));
  } catch (error) {
    // A TypeError means aliases that make the value circular.
    if (error instanceof ConfigError || error instanceof TypeError) return false;
    throw error;
  }
}

function apiKeyOf(value: unknown): unknown {
  return (value as { api?: { key?: unknown } } | null)?.api?.key;
}

/** Returns the value without `api.key`, and without `api` if nothing else is in it. */
function withoutKey(value: unknown): unknown {
  const { api, ...rest } = (value ?? {}) as Record<string, Record<string, unknown> | null | undefined>;
  const { key: _, ...others } = api ?? {};
  return Object.keys(others).length === 0 ? rest : { ...rest, api: others };
}

function cannotWrite(message: string, suggestion: string): ConfigError {
  return validationError([{ path: KEY_PATH, message, suggestion }]);
}
