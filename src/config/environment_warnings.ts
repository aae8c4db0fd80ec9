/** The variable by which `scripts/start.sh` says that SIGUSR1 is blocked. */
export const SIGNAL_VARIABLE = "NGROKD_SIGUSR1";

/**
 * The variables that `scripts/start.sh` removes although a process starts with them, and what the
 * runtime does because of each.
 */
export const DANGEROUS_VARIABLES: Readonly<Record<string, string>> = {
  DENO_AUDIT_PERMISSIONS: "the runtime writes each use of a permission to a file",
  DENO_CERT: "the runtime trusts the CAs of a file",
  DENO_COVERAGE_DIR: "the runtime writes files at the end",
  DENO_TLS_CA_STORE: "the runtime trusts other CAs",
  DENO_V8_FLAGS: "the runtime runs with other flags",
  LD_AUDIT: "the process loads foreign code",
  LD_LIBRARY_PATH: "the process loads libraries from another directory",
  LD_PRELOAD: "the process loads foreign code",
  NODE_EXTRA_CA_CERTS: "the runtime trusts the CAs of a file",
  NODE_OPTIONS: "the runtime can load foreign code and open its inspector",
  NODE_TLS_REJECT_UNAUTHORIZED: "parts of the runtime accept every certificate",
  OTEL_DENO: "the runtime sends logs and requests to a collector",
  SSLKEYLOGFILE: "the runtime writes the keys of its TLS connections to a file",
};

const STEP = "start ngrokd by its launcher: ngrokd run";

/** Returns a warning for each way in which the environment opens this process to others. */
export function environmentWarnings(readEnvironment: (name: string) => string | undefined): string[] {
  const variables = Object.entries(DANGEROUS_VARIABLES)
    .filter(([name]) => readEnvironment(name) !== undefined)
    .map(([name, consequence]) => `The variable ${name} is set, so ${consequence}: ${STEP}`);
  // Only the warning depends on it: a process that unblocked the signal has the variable, too.
  if (readEnvironment(SIGNAL_VARIABLE) === "blocked") return variables;
  const signal =
    "SIGUSR1 is not blocked; it would open the runtime's inspector to local users, if ngrokd did not hold " +
    `127.0.0.1:9229: ${STEP}`;
  return [...variables, signal];
}
