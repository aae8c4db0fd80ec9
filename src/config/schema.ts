import type { ConfigProblem } from "../model/errors.ts";
import { buildConfig, type Config } from "./config.ts";
import type { Key } from "./key.ts";
import { sectionOf, SECTIONS, unknownKeys } from "./sections.ts";
import { checkCount } from "./scalar_types.ts";
import { sharedFiles } from "./shared_files.ts";
import { validationError } from "./validation_error.ts";
import { isUnset, type ListInterfaces, refusalOf, refuse } from "./value_type.ts";

/** A valid configuration, and the warnings for its author. */
export interface ParsedConfig {
  readonly config: Config;
  readonly warnings: readonly ConfigProblem[];
  /** True if the file holds no value: it is empty, or has only comments. */
  readonly isEmpty: boolean;
}

/**
 * Checks the content of a configuration file and fills in the defaults.
 *
 * @throws {ConfigError} With all problems.
 */
export function parseConfig(raw: unknown, options: ParseOptions = {}): ParsedConfig {
  const { os = "linux" } = options;
  const interfaces = options.interfaces && once(options.interfaces);
  const problems: ConfigProblem[] = [];

  function attempt(path: string, read: () => void): void {
    const problem = refusalOf(path, read);
    if (problem !== undefined) problems.push(problem);
  }

  const maps = new Map<string, object>();
  for (const section of SECTIONS.keys()) {
    const value = section === "" ? raw : ownValue(maps.get(""), section);
    attempt(section, () => maps.set(section, readMap(value)));
  }
  const warnings = unknownKeys(maps);

  function valueOf(key: Key<unknown>): unknown {
    const fallback = key.defaultOn?.(os) ?? key.default;
    const { section, name } = sectionOf(key);
    const value = ownValue(maps.get(section), name);
    let result = fallback;
    if (isUnset(value) && !(value === 0 && key.type.takesZero)) return result;
    const path = key.name;
    attempt(path, () => {
      result = key.type.read(value, {
        fallback,
        interfaces,
        os,
        warn: (message, suggestion) => warnings.push({ path, message, suggestion }),
        at: (part, read) => attempt(`${path}.${part}`, read),
      });
    });
    return result;
  }

  const config = buildConfig(valueOf);
  if (problems.length === 0) problems.push(...sharedFiles(config, options.path));
  if (problems.length > 0) throw validationError(problems);
  return { config, warnings, isEmpty: isUnset(raw) };
}

/** The properties of the machine that values depend on. */
export interface ParseOptions {
  /** Lists the interfaces. If undefined, any name of an interface is accepted. */
  readonly interfaces?: ListInterfaces | undefined;
  /** The name of the operating system in Deno. @default {"linux"} */
  readonly os?: string;
  /** The path of the configuration file, which no key may name. */
  readonly path?: string;
}

function readMap(value: unknown): object {
  if (isUnset(value)) return {};
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return refuse("it is not a map of keys");
  }
  checkCount(Object.keys(value).length);
  return value;
}

function ownValue(map: object | undefined, name: string): unknown {
  if (map === undefined || !Object.hasOwn(map, name)) return undefined;
  return (map as Record<string, unknown>)[name];
}

/** Returns a function that calls `list` once: listing the interfaces takes half a millisecond. */
function once<T>(list: () => T): () => T {
  let result: { readonly value: T } | undefined;
  return () => (result ??= { value: list() }).value;
}
