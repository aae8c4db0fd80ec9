/** The suffix of ngrokd's temporary files. */
export const TEMPORARY_SUFFIX = ".ngrokd.tmp";

/** The suffix of a damaged state file that is kept. */
export const DAMAGED_SUFFIX = ".bad";

/** The files in the directory of `server.client_cert` (docs/compatibility.md 4.5). */
export const STATE_FILES = {
  operatorId: "operator_id",
  pendingPair: "tls.pending",
  // The Go daemon wrote it.
  signingRequest: "tls.csr",
  leases: "ip_mappings.json",
  ports: "network_ports.json",
  spread: "advertised_ips.json",
  endpoints: "endpoints.json",
  subnet: "net_subnet.json",
  journal: "journal.json",
  learntCa: "ingress_ca.pem",
  ingressEndpoint: "ingress_endpoint.json",
  lastRenewal: "last_renewal.json",
  registrationMarker: "registration_mark",
  resolvConfBackup: "resolv.conf.bak",
} as const;

/** The path of each state file below `directory`. */
export type StatePaths = Readonly<Record<keyof typeof STATE_FILES, string>>;

/** Joins each name in {@linkcode STATE_FILES} to `directory`. */
export function statePathsIn(directory: string): StatePaths {
  const entries = Object.entries(STATE_FILES).map(([key, name]) => [key, `${directory}/${name}`]);
  return Object.fromEntries(entries) as StatePaths;
}
