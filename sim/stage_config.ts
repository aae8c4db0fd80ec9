import type { SimulatedCloud } from "./cloud/cloud.ts";

/** What a stage's daemon is configured for. */
export interface ConfigOptions {
  /**
   * Runs `deno task ngrokd` and `deno task ngrokctl` as they ship, on their default paths. Only for a machine whose /etc and /run nobody
   * misses.
   */
  readonly shipped?: boolean;
  /** `""` starts without a key. */
  readonly apiKey?: string;
  /** `host:port` in place of the cloud's own ingress. */
  readonly ingress?: string;
  /** Lines for the sections `server:` and `dns:`, and further sections, as YAML. */
  readonly server?: string;
  readonly dns?: string;
  readonly sections?: string;
}

/** What it works with. */
export interface ConfigPlaces {
  readonly cloud: SimulatedCloud;
  /** The directory for the daemon's files. */
  readonly etc: string;
  readonly socketPath: string;
  readonly healthPort: number;
}

/** The configuration of a stage's daemon, as YAML. One that runs as shipped finds its files at their default paths. */
export function stageConfig(places: ConfigPlaces, options: ConfigOptions): string {
  const { cloud, etc, socketPath, healthPort } = places;
  const { apiKey = cloud.apiKey, server = "", dns = "", sections = "", shipped = false } = options;
  const { ingress = `${cloud.ingressHost}:${cloud.ingressPort}` } = options;
  const paths = [
    `  socket_path: ${socketPath}`,
    `  client_cert: ${etc}/tls.crt`,
    `  client_key: ${etc}/tls.key`,
  ];
  return [
    "api:",
    `  url: ${cloud.apiUrl}`,
    `  key: "${apiKey}"`,
    `ingressEndpoint: ${ingress}`,
    "server:",
    ...(shipped ? [] : paths),
    `  ingress_ca: ${etc}/ca.pem`,
    `  health_port: ${healthPort}`,
    ...indented(server),
    "dns:",
    // Without this, network mode would rewrite the resolv.conf of the machine that the stage is on.
    ...(shipped ? [] : ["  manage_resolv_conf: false"]),
    ...indented(dns),
    sections,
    "",
  ].join("\n");
}

function indented(lines: string): string[] {
  return lines.split("\n").filter((line) => line !== "").map((line) => `  ${line}`);
}
