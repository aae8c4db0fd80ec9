import { isHostname, normalizeHostname } from "../../lib/hostname.ts";
import { parseIpv4 } from "../../lib/ipv4.ts";
import { printable } from "../../lib/printable.ts";
import { type Proxy, type ProxyScheme, showProxy } from "../../model/proxy.ts";
import { type Need, netNeed } from "../key.ts";
import { refuse, type ValueType } from "../value_type.ts";

const EXAMPLE = "Write it like http://proxy.example.com:3128, or http://user:password@proxy.example.com:3128";
const SCHEME = /^([a-z][a-z0-9+.-]*):\/\//i;
/** The schemes with their default ports. */
const SCHEMES: Readonly<Record<string, readonly [ProxyScheme, port: number]>> = {
  http: ["http", 80],
  https: ["https", 443],
  socks5: ["socks5", 1080],
  // With the "h" the proxy resolves names, which ngrokd asks every proxy to do.
  socks5h: ["socks5", 1080],
};
/** RFC 1929 2: a length is one byte. */
const MAX_SOCKS_CREDENTIAL = 255;
const MAX_LENGTH = 4096;

/** The type of `proxy_url`. No message shows the value. */
export const proxyUrl: ValueType<Proxy> = {
  values: "`http://[user:password@]host[:port]`, `https://…` or `socks5://…`",
  read(value) {
    if (typeof value !== "string") {
      return refuse("it is not text", "Write it like http://proxy.example.com:3128");
    }
    const result = parseProxyUrl(value, "proxy_url");
    return "message" in result ? refuse(result.message, result.suggestion) : result;
  },
};

/** Returns the capability to connect to a proxy. */
export function proxyNeed(proxy: Proxy): Need {
  return netNeed(`${proxy.hostname}:${proxy.port}`, showProxy(proxy));
}

/** Reads `scheme://[user:password@]host[:port]`; `setting` names the source. */
export function parseProxyUrl(text: string, setting: string): Proxy | ProxyUrlProblem {
  if (text.length > MAX_LENGTH) return problem(`it is longer than ${MAX_LENGTH} characters`);
  const name = SCHEME.exec(text)?.[1]?.toLowerCase();
  if (name === undefined) return problem("it is not a URL");
  if (!Object.hasOwn(SCHEMES, name)) {
    return problem(`"${printable(name)}" proxies are not supported: only http, https and socks5`);
  }
  const [scheme, defaultPort] = SCHEMES[name]!;
  const url = URL.parse(text);
  if (url === null || /\s/.test(text) || url.hostname === "") return problem("it is not a URL");
  if (!["", "/"].includes(url.pathname) || url.search !== "" || url.hash !== "") {
    return problem("it has more than scheme, user, host and port");
  }
  const hostname = normalizeHostname(url.hostname);
  if (!isHostname(hostname) && parseIpv4(hostname) === undefined) {
    return problem("its host is not a host name or an IPv4 address");
  }
  const [username, password] = [decode(url.username), decode(url.password)];
  if (username === undefined || password === undefined) {
    return problem("a % in the user name or password does not encode a character", "Write % as %25");
  }
  const refused = scheme === "socks5"
    ? socksProblem(username, password)
    // RFC 7617 2: the first colon ends the user name.
    : username.includes(":") && problem("the user name has a colon");
  if (refused) return refused;
  // URL leaves out the default port of http and https.
  return { scheme, hostname, port: Number(url.port) || defaultPort, username, password, setting };
}

/** The reason that a text is not a proxy. It never shows the text, which may have a password. */
export interface ProxyUrlProblem {
  readonly message: string;
  readonly suggestion: string;
}

function socksProblem(username: string, password: string): ProxyUrlProblem | undefined {
  if ((username === "") !== (password === "")) {
    return problem("a socks5 proxy needs both a user name and a password, or neither");
  }
  const lengths = [username, password].map((text) => new TextEncoder().encode(text).length);
  return lengths.some((length) => length > MAX_SOCKS_CREDENTIAL)
    ? problem(`its user name or password is longer than the ${MAX_SOCKS_CREDENTIAL} bytes of socks5`)
    : undefined;
}

function problem(message: string, suggestion = EXAMPLE): ProxyUrlProblem {
  return { message, suggestion };
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
