import { basename, dirname } from "node:path";
import { quotedPath } from "../lib/own_commands.ts";

/** The default of `--config` on every operating system (docs/compatibility.md 4.1). */
export const DEFAULT_CONFIG_PATH = "/etc/ngrokd/config.yml";

/** The directory of CAs that are trusted for the ingress. */
export const CA_DIRECTORY = "/etc/ssl/certs/ngrok";

/** The Go daemon's socket. */
export const GO_SOCKET_PATH = "/var/run/ngrokd.sock";

/** The Go daemon's socket, and the link that a package may make. */
const OLD_SOCKET_PATHS: readonly string[] = [GO_SOCKET_PATH, "/run/ngrokd.sock"];

/** Returns the default path of the control socket; `os` as Deno names it. */
export function defaultSocketPath(os: string): string {
  if (os === "windows") return "\\\\.\\pipe\\ngrokd";
  return os === "darwin" ? "/var/run/ngrokd/ngrokd.sock" : "/run/ngrokd/ngrokd.sock";
}

/**
 * Returns the default socket for the Go daemon's path (docs/compatibility.md, Departures), else
 * `path`.
 */
export function effectiveSocketPath(path: string, os: string): string {
  return OLD_SOCKET_PATHS.includes(path) ? defaultSocketPath(os) : path;
}

/**
 * Returns the path of a second control socket, in a directory that only root and the daemon's user
 * can enter, so that nobody else can use up its connections.
 */
export function ownerSocketPath(path: string): string {
  return `${dirname(path)}/owner/${basename(path)}`;
}

/** Returns a command of ngrokd with the configuration file, unless it is the default one. */
export function withConfig(command: string, path: string): string {
  return path === DEFAULT_CONFIG_PATH ? command : `${command} --config ${quotedPath(path)}`;
}
