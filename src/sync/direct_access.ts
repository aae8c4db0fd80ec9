import { VIRTUAL } from "../model/listen_mode.ts";
import { machineAddress } from "../model/machine_address.ts";
import { listenerKey, type Route } from "../model/route_table.ts";

/**
 * Returns the URL or the command that reaches an endpoint without its name in hosts or DNS. Where
 * the name decides (in a certificate, by SNI or by Host) the command still sends it.
 */
export function directAccess(route: Route): string {
  const { scheme, port, localPort, wildcard, listenInterface } = route;
  const listener = listenerKey(machineAddress(route), localPort);
  const hasOwnListener = listenInterface === VIRTUAL && !wildcard;
  if (scheme === "tcp" || scheme === "http" && hasOwnListener) return `${scheme}://${listener}`;
  // Every name below a wildcard is the endpoint's.
  const hostname = wildcard ? `any${route.hostname.slice(1)}` : route.hostname;
  return scheme === "tls"
    ? `openssl s_client -connect ${listener} -servername ${hostname}`
    : `curl --connect-to ${hostname}:${port}:${listener} ${scheme}://${hostname}:${port}`;
}
