import { VIRTUAL } from "../model/listen_mode.ts";

/** The ports from here up are open to every user of a machine, so they mean no service of it. */
const FIRST_UNPRIVILEGED = 1024;
/** DNS, http and https: what network mode is for. */
const ALWAYS_ALLOWED: readonly number[] = [53, 80, 443];

/**
 * Returns the reason why an endpoint must not listen on a port of this machine's own addresses,
 * where the LAN would take it for the machine's service (docs/reliability.md R58).
 */
export function refusePort(port: number, options: RefusePortOptions): string | undefined {
  const { listenInterface, allowPorts } = options;
  if (listenInterface === VIRTUAL || port >= FIRST_UNPRIVILEGED) return undefined;
  if (ALWAYS_ALLOWED.includes(port) || allowPorts.includes(port)) return undefined;
  return `port ${port} of this machine is a system port; to serve it, add ${port} to net.allow_ports`;
}

/** Options of {@linkcode refusePort}. */
export interface RefusePortOptions {
  /** `virtual`, or what the endpoint shares with this machine. */
  readonly listenInterface: string;
  /** `net.allow_ports` */
  readonly allowPorts: readonly number[];
}
