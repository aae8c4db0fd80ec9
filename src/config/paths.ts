/** Where the configuration stands when `--config` does not say; the same on every system (COMPAT.md 4.1). */
export const DEFAULT_CONFIG_PATH = "/etc/ngrokd/config.yml";

/** Where the Go daemon had its socket, and the link that a package may put there. */
const OLD_SOCKET_PATHS: readonly string[] = ["/var/run/ngrokd.sock", "/run/ngrokd.sock"];

/** Where the control socket stands when the file does not say. `os` as Deno names it. */
export function defaultSocketPath(os: string): string {
  if (os === "windows") return "\\\\.\\pipe\\ngrokd";
  return os === "darwin" ? "/var/run/ngrokd/ngrokd.sock" : "/run/ngrokd/ngrokd.sock";
}

/** The socket that a configured path means: the Go daemon's path means the default one (COMPAT.md, Departures). */
export function effectiveSocketPath(path: string, os: string): string {
  return OLD_SOCKET_PATHS.includes(path) ? defaultSocketPath(os) : path;
}
