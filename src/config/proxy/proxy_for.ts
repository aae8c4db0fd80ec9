import { isLoopbackHost } from "../../lib/loopback_host.ts";
import { printable } from "../../lib/printable.ts";
import type { Proxy } from "../../model/proxy.ts";
import { noProxyEntry, type ProxiedServer } from "./no_proxy.ts";
import { parseProxyUrl } from "./proxy_url.ts";

/** The variables that name a proxy for `https:`, by priority. */
const FOR_HTTPS = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] as const;
const EXCEPTIONS = ["NO_PROXY", "no_proxy"] as const;

/** The variables that ngrokd reads. `HTTP_PROXY` is not one: no `http:` request uses a proxy. */
export const PROXY_VARIABLES = [...FOR_HTTPS, ...EXCEPTIONS] as const;

/** The variables that are set and not empty. */
export type ProxyEnvironment = Readonly<Partial<Record<typeof PROXY_VARIABLES[number], string>>>;

/** The settings that can name a proxy. */
export interface ProxySources {
  /** `proxy_url` of the configuration. */
  readonly configured: Proxy | undefined;
  readonly environment: ProxyEnvironment;
}

/** The chosen proxy, and the settings that are not used. */
export interface ProxyChoice {
  /** Undefined for a direct connection. */
  readonly proxy: Proxy | undefined;
  /** A sentence for each setting that is not used, without its value; none for a repeated value. */
  readonly notes: readonly string[];
}

const SCHEME = /^[a-z][a-z0-9+.-]*:\/\//i;

/**
 * Chooses the proxy for a URL: `proxy_url`, else the first variable with a valid proxy, unless
 * `NO_PROXY` has the host. `NO_PROXY` does not apply to `proxy_url`, which was set for ngrokd
 * alone. This machine never needs a proxy, and `http:` never uses one, because the proxy would see
 * the API key.
 */
export function proxyFor(url: string, sources: ProxySources): ProxyChoice {
  const { protocol, hostname, port } = new URL(url);
  const { configured, environment } = sources;
  const variables = distinct(FOR_HTTPS, environment);
  const names = [...(configured === undefined ? [] : ["proxy_url"]), ...variables];
  if (names.length === 0) return { proxy: undefined, notes: [] };
  if (protocol !== "https:" || isLoopbackHost(hostname)) {
    return {
      proxy: undefined,
      notes: [`${names.join(", ")}: not used for ${protocol}//${hostname}, which is this machine`],
    };
  }
  return choose({ hostname, port: Number(port) || 443 }, { configured, environment, variables });
}

/** Returns the host of every proxy that is configured or inherited, whether it is used or not. */
export function proxyHosts({ configured, environment }: ProxySources): string[] {
  const inherited = FOR_HTTPS.map((name) => readVariable(name, environment));
  return [configured, ...inherited].flatMap((proxy) =>
    proxy === undefined || "message" in proxy ? [] : [proxy.hostname]
  );
}

function readVariable(name: typeof FOR_HTTPS[number], environment: ProxyEnvironment) {
  const value = environment[name];
  if (value === undefined) return undefined;
  return parseProxyUrl(SCHEME.test(value) ? value : `http://${value}`, name);
}

function choose(
  server: ProxiedServer,
  given: ProxySources & { readonly variables: readonly typeof FOR_HTTPS[number][] },
): ProxyChoice {
  const { configured, environment, variables } = given;
  const notes: string[] = [];
  let proxy = configured;
  for (const name of variables) {
    if (proxy !== undefined) {
      notes.push(`${name} is not used: ${proxy.setting} has priority`);
      continue;
    }
    const result = readVariable(name, environment)!;
    if ("message" in result) notes.push(`${name} is not used: ${result.message}`);
    else proxy = result;
  }
  const [exceptions, ...others] = distinct(EXCEPTIONS, environment);
  if (proxy === undefined || exceptions === undefined) return { proxy, notes };
  notes.push(...others.map((name) => `${name} is not used: ${exceptions} has priority`));
  if (proxy === configured) {
    return { proxy, notes: [...notes, `${exceptions} is not used: it does not apply to proxy_url`] };
  }
  const entry = noProxyEntry(environment[exceptions]!, server);
  if (entry === undefined) return { proxy, notes };
  const note = `${proxy.setting} is not used: ${exceptions} has "${printable(entry)}"`;
  return { proxy: undefined, notes: [...notes, note] };
}

/**
 * Returns the variables that are set, without those that repeat a value: most machines set both
 * spellings.
 */
function distinct<Name extends keyof ProxyEnvironment>(
  names: readonly Name[],
  environment: ProxyEnvironment,
): Name[] {
  const values = names.map((name) => environment[name]);
  return names.filter((_, index) => values[index] !== undefined && values.indexOf(values[index]) === index);
}
