import * as z from "zod";
import { parseIpv4 } from "../lib/ipv4.ts";
import { printable } from "../lib/printable.ts";
import type { ConfigProblem } from "../model/errors.ts";
import { apiKeyProblem } from "./api_key.ts";
import { type Config, DEFAULT_INGRESS, DEFAULTS } from "./config.ts";
import { element, type Field, field, isUnset, list, refuse } from "./field.ts";
import { type ListInterfaces, overridesField, readListenInterface } from "./listen_interface.ts";
import { defaultSocketPath, effectiveSocketPath } from "./paths.ts";
import { readProxyUrl } from "./read_proxy_url.ts";
import {
  readAddress,
  readApiUrl,
  readBoolean,
  readFilePath,
  readHostAddress,
  readHostPort,
  readInterfaceName,
  readInterval,
  readListenAddress,
  readNetwork,
  readPort,
  readSubnet,
  readText,
  readWord,
} from "./read_value.ts";
import { unknownKeys } from "./unknown_keys.ts";
import { validationError } from "./validation_error.ts";

/** Below this there is a warning, as in the Go daemon (COMPAT.md 4.2): several daemons share one rate limit (PROTOCOL.md 1.4). */
const SHORT_POLL_MS = 5_000;
const DNS_PORT = 53;

/** What the machine is like, as far as values depend on it. */
export interface ParseOptions {
  /** Without it, a name of an interface is taken as it is. */
  readonly interfaces?: ListInterfaces | undefined;
  /** As Deno names it. @default {"linux"} */
  readonly os?: string;
}

/** A configuration that can be used, and what its author should still know. */
export interface ParsedConfig {
  readonly config: Config;
  readonly warnings: readonly ConfigProblem[];
}

/**
 * Checks what a configuration file holds and fills in the defaults.
 *
 * @throws {ConfigError} With all problems.
 */
export function parseConfig(raw: unknown, options: ParseOptions = {}): ParsedConfig {
  const warnings: ConfigProblem[] = [];
  const shape = fields(options, warnings);
  const { ingressEndpoint, proxy_url, ...sections } = shape;
  const names = Object.entries(sections).map(([name, keys]) => [name, Object.keys(keys)]);
  warnings.push(...unknownKeys(raw, Object.fromEntries([["", Object.keys(shape)], ...names])));
  const schema = section({
    api: section(shape.api),
    ingressEndpoint,
    proxy_url,
    server: section(shape.server),
    bound_endpoints: section(shape.bound_endpoints),
    net: section(shape.net),
    dns: section(shape.dns),
  });
  const result = schema.safeParse(raw);
  if (!result.success) throw validationError(result.error.issues.map(toProblem));
  const { api, server, bound_endpoints, net, dns } = result.data;
  const config: Config = {
    api,
    ingressEndpoint: result.data.ingressEndpoint,
    proxy: result.data.proxy_url,
    server: {
      logLevel: server.log_level,
      logFormat: server.log_format,
      socketPath: server.socket_path,
      clientCert: server.client_cert,
      clientKey: server.client_key,
      certRefreshIntervalMs: server.cert_refresh_interval,
      healthAddress: server.health_address,
      healthPort: server.health_port,
      ingressCa: server.ingress_ca,
    },
    boundEndpoints: { pollIntervalMs: bound_endpoints.poll_interval, selectors: bound_endpoints.selectors },
    net: {
      interfaceName: net.interface_name,
      subnet: net.subnet,
      listenInterface: net.listen_interface,
      startPort: net.start_port,
      overrides: net.overrides,
      allowCidrs: net.allow_cidrs,
      advertiseIp: net.advertise_ip,
    },
    dns: {
      enabled: dns.enabled,
      listen: dns.listen,
      manageResolvConf: dns.manage_resolv_conf,
      upstream: dns.upstream,
    },
  };
  if (server.client_cert === server.client_key) {
    const message = "it is the same file as server.client_cert";
    throw validationError([{
      path: "server.client_key",
      message,
      suggestion: "Give each a file of its own",
    }]);
  }
  if (config.boundEndpoints.pollIntervalMs < SHORT_POLL_MS) {
    warnings.push({
      path: "bound_endpoints.poll_interval",
      message: "polls this frequent can meet the API's rate limit",
      suggestion: `Use ${SHORT_POLL_MS / 1000} or more`,
    });
  }
  return { config, warnings };
}

/** Every key of the file, by section and in the file's spelling (COMPAT.md 4.2). */
function fields(options: ParseOptions, warnings: ConfigProblem[]) {
  const { interfaces, os = "linux" } = options;
  const { api, server, boundEndpoints, net, dns } = DEFAULTS;

  function number(
    path: string,
    fallback: number,
    read: (value: unknown, fallback: number) => number,
  ): Field<number> {
    return field(fallback, (value) => {
      const result = read(value, fallback);
      if (typeof value === "string") {
        warnings.push({ path, message: "the number is written as text", suggestion: "Remove the quotes" });
      }
      return result;
    });
  }

  return {
    api: {
      url: field(api.url, readApiUrl),
      key: field(api.key, readApiKey),
    },
    ingressEndpoint: field<Config["ingressEndpoint"]>(
      undefined,
      (value) => readHostPort(value, DEFAULT_INGRESS.port),
    ),
    proxy_url: field<Config["proxy"]>(undefined, readProxyUrl),
    server: {
      log_level: field(server.logLevel, readLogLevel),
      log_format: field(server.logFormat, (value) => readWord(value, ["text", "json"])),
      socket_path: field(defaultSocketPath(os), (value) => effectiveSocketPath(readFilePath(value), os)),
      client_cert: field(server.clientCert, readFilePath),
      client_key: field(server.clientKey, readFilePath),
      cert_refresh_interval: number(
        "server.cert_refresh_interval",
        server.certRefreshIntervalMs,
        readInterval,
      ),
      health_address: field(server.healthAddress, readAddress),
      health_port: number("server.health_port", server.healthPort, readPort),
      ingress_ca: field(server.ingressCa, readFilePath),
    },
    bound_endpoints: {
      poll_interval: number("bound_endpoints.poll_interval", boundEndpoints.pollIntervalMs, readInterval),
      selectors: list(boundEndpoints.selectors, element(readText)),
    },
    net: {
      interface_name: field(net.interfaceName, readInterfaceName),
      subnet: field(net.subnet, (value) => readSubnet(value, net.subnet)),
      listen_interface: field(net.listenInterface, (value) => readListenInterface(value, interfaces)),
      start_port: number("net.start_port", net.startPort, readPort),
      overrides: overridesField(interfaces),
      allow_cidrs: list(net.allowCidrs, element(readNetwork)),
      advertise_ip: field(net.advertiseIp, readHostAddress),
    },
    dns: {
      enabled: field(dns.enabled, readBoolean),
      listen: field(dns.listen, readListenAddress),
      manage_resolv_conf: field<boolean | undefined>(dns.manageResolvConf, readBoolean),
      upstream: list(dns.upstream, element(readUpstream)),
    },
  };
}

function section<T extends z.ZodRawShape>(shape: T) {
  const map = z.object(shape, { error: () => "it is not a map of keys" });
  return z.preprocess((value) => isUnset(value) ? {} : value, map);
}

function readApiKey(value: unknown): string {
  // Not readText(): its messages show the value.
  if (typeof value !== "string" && typeof value !== "number") return refuse("it is not text");
  const key = String(value);
  const problem = apiKeyProblem(key);
  return problem === undefined ? key : refuse(problem, "Set it with: ngrokctl set-api-key -");
}

function readLogLevel(value: unknown): Config["server"]["logLevel"] {
  const word = readWord(value, ["debug", "info", "warn", "error", "warning"]);
  return word === "warning" ? "warn" : word;
}

function readUpstream(value: unknown): string {
  const { hostname, port } = readHostPort(value, DNS_PORT);
  const address = hostname === "localhost" ? "127.0.0.1" : hostname;
  if (parseIpv4(address) === undefined) {
    refuse(`"${printable(hostname)}" is not an IPv4 address`, "A DNS server cannot be asked for by its name");
  }
  return `${address}:${port}`;
}

function toProblem(issue: z.core.$ZodIssue): ConfigProblem {
  const path = issue.path.map(String).join(".");
  const suggestion = issue.code === "custom" ? issue.params?.["suggestion"] : undefined;
  return { path, message: issue.message, ...(typeof suggestion === "string" ? { suggestion } : {}) };
}
