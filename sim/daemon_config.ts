import type { SimulatedCloud } from "./cloud/cloud.ts";

/**
 * The configuration of a daemon, as YAML. A daemon that runs as shipped finds its files at their
 * default paths.
 */
export function daemonConfig(target: ConfigTarget, options: ConfigOptions): string {
  const { cloud, etc, socketPath, healthPort } = target;
  const { apiKey = cloud.apiKey, server = "", dns = "", net = "", sections = "", shipped = false } = options;
  const { probeSeconds = 0 } = options;
  const { ingress = `${cloud.ingressHost}:${cloud.ingressPort}`, pollSeconds } = options;
  const paths = [
    `  socket_path: ${socketPath}`,
    `  client_cert: ${etc}/tls.crt`,
    `  client_key: ${etc}/tls.key`,
  ];
  return [
    "api:",
    `  url: ${cloud.apiUrl}`,
    `  key: "${apiKey}"`,
    ...(ingress === "" ? [] : [`ingressEndpoint: ${ingress}`]),
    "server:",
    ...(shipped ? [] : paths),
    `  ingress_ca: ${etc}/ca.pem`,
    `  health_port: ${healthPort}`,
    `  probe_interval: ${probeSeconds}`,
    ...indented(server),
    "dns:",
    // Without this, network mode would rewrite the resolv.conf of this machine.
    ...(shipped ? [] : ["  manage_resolv_conf: false"]),
    ...indented(dns),
    ...(net === "" ? [] : ["net:", ...indented(net)]),
    ...(pollSeconds === undefined ? [] : [`bound_endpoints: {poll_interval: ${pollSeconds}}`]),
    sections,
    "",
  ].join("\n");
}

/** The parts of a configuration that differ between tests. */
export interface ConfigOptions {
  /**
   * Runs `deno task ngrokd` and `deno task ngrokctl` as they ship, on their default paths. Only for
   * a machine whose /etc and /run nobody else uses.
   */
  readonly shipped?: boolean;
  /** `""` starts without a key. */
  readonly apiKey?: string;
  /** `host:port` in place of the cloud's own ingress; `""` leaves the key out. */
  readonly ingress?: string;
  /** Seconds between polls. @default {the daemon's own} */
  readonly pollSeconds?: number;
  /** `server.probe_interval`. @default {0, since a probe is one more connection to the ingress} */
  readonly probeSeconds?: number;
  /** Lines for the sections `server:`, `dns:` and `net:`, and further sections, as YAML. */
  readonly server?: string;
  readonly dns?: string;
  readonly net?: string;
  readonly sections?: string;
}

/** The cloud and the paths that a configuration names. */
export interface ConfigTarget {
  readonly cloud: SimulatedCloud;
  /** The directory of the configuration and the state files. */
  readonly etc: string;
  readonly socketPath: string;
  readonly healthPort: number;
}

function indented(lines: string): string[] {
  return lines.split("\n").filter((line) => line !== "").map((line) => `  ${line}`);
}
