import { ConfigError, FileError } from "../model/errors.ts";
import { apiKeyProblem } from "./api_key.ts";
import { keySplices } from "./key_splices.ts";
import { parseYaml } from "./parse_yaml.ts";
import { validationError } from "./validation_error.ts";

const KEY_PATH = "api.key";
const FILE_MODE = 0o600;

/** How the configuration file is read and replaced. */
export interface SaveOptions {
  readonly readText: (path: string) => Promise<string>;
  readonly writeAtomic: (path: string, text: string, options: { readonly mode: number }) => Promise<void>;
}

/**
 * Writes the API key into the configuration file and leaves every other byte as it is; a missing file is made. The file's mode
 * becomes 0600. A symlink at `path` would be replaced: give the path that it leads to.
 *
 * @throws {FileError} If the file cannot be read or written.
 * @throws {ConfigError} If the key or the file does not allow it; the file is as it was.
 */
export async function saveApiKey(path: string, key: string, options: SaveOptions): Promise<void> {
  const { readText, writeAtomic } = options;
  const text = await readText(path).catch((error: unknown) => {
    if (error instanceof FileError && error.reason === "missing") return "";
    throw error;
  });
  // Bytes that are not UTF-8 were read as this character: they would not be written back.
  if (text.includes("\ufffd")) {
    throw cannotWrite("the file holds bytes that are not UTF-8", `Save ${path} as UTF-8`);
  }
  await writeAtomic(path, setApiKeyText(text, key), { mode: FILE_MODE });
}

/**
 * The text of a configuration file with another API key, written in double quotes; all that is not the value stays byte for byte.
 *
 * @throws {ConfigError} If the key cannot be one, the text is not YAML, or the key has no place in it.
 */
export function setApiKeyText(text: string, key: string): string {
  const problem = apiKeyProblem(key);
  if (problem !== undefined) throw cannotWrite(problem, "Copy the key from the ngrok dashboard");
  const before = parseYaml(text);
  // Most layouts have one place; where there are several, the first that changes nothing else is taken.
  for (
    const { start, end, text: piece } of keySplices(text, before.document, { value: JSON.stringify(key) })
  ) {
    const result = text.slice(0, start) + piece + text.slice(end);
    if (changesOnlyKey(before.value, result, key)) return result;
  }
  throw cannotWrite(
    "the value has no place of its own in this layout of the file",
    `Write it by hand, as "api:" and "  key: …"`,
  );
}

function changesOnlyKey(before: unknown, result: string, key: string): boolean {
  try {
    const after = parseYaml(result).value;
    return apiKeyOf(after) === key &&
      JSON.stringify(withoutKey(before)) === JSON.stringify(withoutKey(after));
  } catch (error) {
    // A TypeError: aliases that make the value circular.
    if (error instanceof ConfigError || error instanceof TypeError) return false;
    throw error;
  }
}

function apiKeyOf(value: unknown): unknown {
  return (value as { api?: { key?: unknown } } | null)?.api?.key;
}

/** The value without `api.key`; a section that holds nothing else is left out, as it says nothing. */
function withoutKey(value: unknown): unknown {
  const { api, ...rest } = (value ?? {}) as Record<string, Record<string, unknown> | null | undefined>;
  const { key: _, ...others } = api ?? {};
  return Object.keys(others).length === 0 ? rest : { ...rest, api: others };
}

function cannotWrite(message: string, suggestion: string): ConfigError {
  return validationError([{ path: KEY_PATH, message, suggestion }]);
}
