/** A hostile environment of the daemon, and how ngrokd behaves in it. */
export interface HostileEnvironment {
  /** The variables; `directory` is the attacker's. */
  readonly variables: (directory: string) => Readonly<Record<string, string>>;
  /** The consequence for a program of the runtime, in a table cell. */
  readonly consequence: string;
  /** True if `scripts/start.sh` removes the variable. */
  readonly removed: boolean;
  /** The behaviour of a daemon that is started without `scripts/start.sh`. */
  readonly byHand: Behaviour;
}

/**
 * `reported`: it serves, and log and status name the variable. `refused`: it serves, and reports
 * that the value is not used. `no effect`: it serves. `does not start`: it ends before it has
 * changed anything.
 */
export type Behaviour = "reported" | "refused" | "no effect" | "does not start";

function one(
  name: string,
  value: string,
  rest: Omit<HostileEnvironment, "variables">,
): HostileEnvironment {
  return { variables: (directory) => ({ [name]: value.replace("DIRECTORY", directory) }), ...rest };
}

const REPORTED = { removed: true, byHand: "reported" } as const;
const FATAL = { removed: true, byHand: "does not start" } as const;
const HARMLESS = { removed: false, byHand: "no effect" } as const;

/** The hostile environments of docs/reliability.md, each tried out by the tests. */
export const HOSTILE_ENVIRONMENTS: readonly HostileEnvironment[] = [
  one("SSLKEYLOGFILE", "DIRECTORY/keys", { ...REPORTED, consequence: "writes its TLS keys to the file" }),
  one("DENO_CERT", "DIRECTORY/ca.pem", { ...REPORTED, consequence: "trusts the CA" }),
  one("NODE_EXTRA_CA_CERTS", "DIRECTORY/ca.pem", { ...REPORTED, consequence: "trusts the CA" }),
  one("DENO_TLS_CA_STORE", "system", { ...REPORTED, consequence: "trusts the CAs of the machine" }),
  one("NODE_TLS_REJECT_UNAUTHORIZED", "0", { ...REPORTED, consequence: "does not verify in `node:tls`" }),
  one("NODE_OPTIONS", "--require DIRECTORY/code.cjs", { ...REPORTED, consequence: "runs the file" }),
  one("NODE_OPTIONS", "--inspect=127.0.0.1:0", {
    ...REPORTED,
    consequence: "opens its inspector; ngrokd closes it",
  }),
  one("OTEL_DENO", "true", { ...REPORTED, consequence: "sends its log to a collector" }),
  one("DENO_V8_FLAGS", "--log,--logfile=DIRECTORY/v8.log", { ...REPORTED, consequence: "writes the file" }),
  one("DENO_COVERAGE_DIR", "DIRECTORY/coverage", { ...REPORTED, consequence: "writes files" }),
  one("DENO_AUDIT_PERMISSIONS", "DIRECTORY/audit", { ...REPORTED, consequence: "writes the file" }),
  one("LD_PRELOAD", "DIRECTORY/code.so", { ...REPORTED, consequence: "loads the library" }),
  one("LD_AUDIT", "DIRECTORY/code.so", { ...REPORTED, consequence: "loads the library" }),
  one("LD_LIBRARY_PATH", "DIRECTORY", { ...REPORTED, consequence: "loads libraries from there" }),
  one("DENO_PERMISSION_BROKER_PATH", "DIRECTORY/socket", {
    ...FATAL,
    consequence: "asks the socket for permissions",
  }),
  one("DENO_UNSTABLE_CONTROL_SOCK", "DIRECTORY/socket", {
    ...FATAL,
    consequence: "ends; with `unix:/d/socket` it waits for commands there",
  }),
  one("NODE_CHANNEL_FD", "0", { ...FATAL, consequence: "takes messages from the descriptor" }),
  one("NGROKD_HOSTS_PATH", "/etc/passwd", {
    removed: false,
    byHand: "refused",
    consequence: "names a file outside the permission set",
  }),
  one("PATH", "DIRECTORY/bin:/usr/bin:/bin", { ...HARMLESS, consequence: "finds another `ip` first" }),
  one("TMPDIR", "DIRECTORY/absent", { ...HARMLESS, consequence: "finds no directory for temporary files" }),
  one("HOSTALIASES", "DIRECTORY/aliases", { ...HARMLESS, consequence: "resolves short names otherwise" }),
  one("TZ", "DIRECTORY/zone", { ...HARMLESS, consequence: "takes another time zone for local times" }),
  one("DENO_SERVE_ADDRESS", "tcp:0.0.0.0:8000", { ...HARMLESS, consequence: "moves `Deno.serve`" }),
];

/** The table of the hostile environments in Markdown. */
export function environmentTable(): string {
  const rows = HOSTILE_ENVIRONMENTS.map(({ variables, consequence, removed, byHand }) => {
    const [[name, value] = []] = Object.entries(variables("/d"));
    return `| \`${name}=${value}\` | ${consequence} | ${removed ? "removed" : byHand} | ${byHand} |\n`;
  });
  return "| environment | a program of the runtime | `sh scripts/start.sh` | by hand |\n| --- | --- | --- | --- |\n" +
    rows.join("");
}
