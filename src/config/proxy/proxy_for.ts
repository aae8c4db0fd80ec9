import { isLoopbackHost } from "../../lib/loopback_host.ts";
import { printable } from "../../lib/printable.ts";
import type { Proxy } from "../../model/proxy.ts";
import { noProxyEntry, type ProxyTarget } from "./no_proxy.ts";
import { parseProxyUrl } from "./proxy_url.ts";

/** What names a proxy for `https:`, first come first. */
const FOR_HTTPS = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] as const;
const AGAINST = ["NO_PROXY", "no_proxy"] as const;

/** Every variable that counts. `HTTP_PROXY` does not: no `http:` request goes through a proxy. */
export const PROXY_VARIABLES = [...FOR_HTTPS, ...AGAINST] as const;

/** The variables that are set, by name; an empty one is not. */
export type ProxyEnvironment = Readonly<Partial<Record<typeof PROXY_VARIABLES[number], string>>>;

/** What can name a proxy. */
export interface ProxySources {
  /** `proxy_url` of the configuration. */
  readonly configured: Proxy | undefined;
  readonly environment: ProxyEnvironment;
}

/** Which proxy, and why not another. */
export interface ProxyChoice {
  /** Undefined: none, the host is dialled directly. */
  readonly proxy: Proxy | undefined;
  /** One sentence for each setting that is there and does not count, without its value; none for one that repeats another. */
  readonly notes: readonly string[];
}

const SCHEME = /^[a-z][a-z0-9+.-]*:\/\//i;

/**
 * The proxy for a URL: `proxy_url`, else the first variable that holds a usable one, unless `NO_PROXY` takes the host out of it. A
 * key that was written for ngrokd is not undone by a variable that was set for everything: `NO_PROXY` does not touch `proxy_url`. This
 * machine is never asked through a proxy, nor is `http:`, of which the proxy would see the API key.
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

function choose(
  target: ProxyTarget,
  given: ProxySources & { readonly variables: readonly typeof FOR_HTTPS[number][] },
): ProxyChoice {
  const { configured, environment, variables } = given;
  const notes: string[] = [];
  let proxy = configured;
  for (const name of variables) {
    if (proxy !== undefined) {
      notes.push(`${name} is not used: ${proxy.setting} goes before it`);
      continue;
    }
    const value = environment[name]!;
    const result = parseProxyUrl(SCHEME.test(value) ? value : `http://${value}`, name);
    if ("message" in result) notes.push(`${name} is not used: ${result.message}`);
    else proxy = result;
  }
  const [against, ...others] = distinct(AGAINST, environment);
  if (proxy === undefined || against === undefined) return { proxy, notes };
  notes.push(...others.map((name) => `${name} is not used: ${against} goes before it`));
  if (proxy === configured) {
    return { proxy, notes: [...notes, `${against} is not used: it does not count for proxy_url`] };
  }
  const entry = noProxyEntry(environment[against]!, target);
  if (entry === undefined) return { proxy, notes };
  const note = `${proxy.setting} is not used: ${against} holds "${printable(entry)}"`;
  return { proxy: undefined, notes: [...notes, note] };
}

/** Those that are set, each value once: most machines set both spellings to the same. */
function distinct<Name extends keyof ProxyEnvironment>(
  names: readonly Name[],
  environment: ProxyEnvironment,
): Name[] {
  const values = names.map((name) => environment[name]);
  return names.filter((_, index) => values[index] !== undefined && values.indexOf(values[index]) === index);
}
