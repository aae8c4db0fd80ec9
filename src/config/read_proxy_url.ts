import { isHostname, normalizeHostname } from "../lib/hostname.ts";
import { parseIpv4 } from "../lib/ipv4.ts";
import { printable } from "../lib/printable.ts";
import type { Proxy } from "../model/proxy.ts";
import { refuse } from "./field.ts";

const EXAMPLE = "Write it like http://proxy.example.com:3128, or http://user:password@proxy.example.com:3128";
const SCHEME = /^([a-z][a-z0-9+.-]*):\/\//i;

/** `http://[user:password@]host[:port]`; port 80 if none is given. No message shows the value: a password may stand in it. */
export function readProxyUrl(value: unknown): Proxy {
  if (typeof value !== "string") return refuse("it is not text", EXAMPLE);
  const scheme = SCHEME.exec(value)?.[1]?.toLowerCase();
  if (scheme === undefined) return refuse("it is not a URL", EXAMPLE);
  if (scheme !== "http") {
    return refuse(
      `"${printable(scheme)}" proxies are not supported: only http ones, which are asked by CONNECT`,
      EXAMPLE,
    );
  }
  const url = URL.parse(value);
  if (url === null || /\s/.test(value)) return refuse("it is not a URL", EXAMPLE);
  if (url.pathname !== "/" || url.search !== "" || url.hash !== "") {
    return refuse("it holds more than scheme, user, host and port", EXAMPLE);
  }
  const hostname = normalizeHostname(url.hostname);
  if (!isHostname(hostname) && parseIpv4(hostname) === undefined) {
    return refuse("its host is not a host name or an IPv4 address", EXAMPLE);
  }
  const [username, password] = [decode(url.username), decode(url.password)];
  // RFC 7617 2: the first colon ends the user name.
  if (username.includes(":")) return refuse("the user name holds a colon", EXAMPLE);
  return { hostname, port: Number(url.port) || 80, username, password };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return refuse("a % in the user name or password begins no character", "Write % as %25");
  }
}
