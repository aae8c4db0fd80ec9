import { withoutFinalSlashes } from "../lib/final_slashes.ts";
import { isHostname, isWildcard, normalizeHostname } from "../lib/hostname.ts";
import { type Cidr, formatCidr, isLoopbackAddress, parseCidr, parseIpv4 } from "../lib/ipv4.ts";
import { isLinkLocal, normalizeIpv6 } from "../lib/ipv6.ts";
import { isLoopbackHost } from "../lib/loopback_host.ts";
import { parseOrigin } from "../lib/origin.ts";
import { printable } from "../lib/printable.ts";
import type { IngressTarget } from "../model/ingress_target.ts";
import { listenerKey } from "../model/route_table.ts";
import { refuse, type ValueType } from "./value_type.ts";
import { listOf, readText } from "./scalar_types.ts";

const DNS_PORT = 53;
const INGRESS_PORT = 443;
/** The longest URL of the API. It is parsed at each request. */
const MAX_URL_LENGTH = 2048;

/**
 * The URL of the API: `https:`, or `http:` for a loopback host, so that no network sees the key.
 */
export const apiUrl: ValueType<string> = {
  values: "URL",
  read(value) {
    const text = readText(value, { maxLength: MAX_URL_LENGTH });
    const url = URL.parse(text);
    const example = "Write it like https://api.ngrok.com";
    // Checked first: the other messages show parts of the URL, and these may be secret.
    if (url !== null && (url.username !== "" || url.password !== "")) {
      return refuse("it contains a user name or password", "The API key belongs in api.key");
    }
    if (url === null || /\s/.test(text)) return refuse("it is not a URL", example);
    if (url.protocol !== "https:" && url.protocol !== "http:") {
      return refuse(`the scheme "${printable(url.protocol.slice(0, -1))}" is not https`, example);
    }
    if (url.search !== "" || url.hash !== "") return refuse("it contains a query or a fragment", example);
    if (url.protocol === "http:" && !isLoopbackHost(url.hostname)) {
      return refuse("http would show the API key to the network", `Write https://${url.host}`);
    }
    return url.origin + withoutFinalSlashes(url.pathname);
  },
};

/** The host and port of the ingress. */
export const ingressTarget: ValueType<IngressTarget> = {
  values: "`host` or `host:port`",
  read: (value) => readHostPort(value, INGRESS_PORT),
};

/** An IPv4 address to listen on; `localhost` is one. */
export const listenIp: ValueType<string> = {
  values: "IPv4 address",
  read(value) {
    const text = readText(value);
    if (text === "localhost") return "127.0.0.1";
    if (parseIpv4(text) !== undefined) return text;
    return refuse(`"${printable(text)}" is not an IPv4 address`, "The default is 127.0.0.1");
  },
};

/** An IPv4 address that a host can have. */
export const hostIp: ValueType<string> = { values: "IPv4 address", read: readHostIp };

/**
 * A list of addresses by which other machines reach this one. One that this machine does not have
 * now is accepted with a warning: it may come later, and must not stop a start or a reload.
 */
export const ownIps: ValueType<readonly string[]> = listOf("IPv4 addresses of this machine", {
  read(value, { interfaces, warn }) {
    const address = readHostIp(value);
    if (isLoopbackAddress(address)) {
      refuse(`"${address}" is a loopback address, which leads every machine to itself`);
    }
    if (interfaces === undefined) return address;
    const own = interfaces().map((entry) => entry.address).filter((each) => !isLoopbackAddress(each));
    if (own.includes(address)) return address;
    const known = own.length === 0 ? "It has none now" : `Its addresses are ${own.join(", ")}`;
    warn(`this machine does not have the address ${address} now, so no name gets it`, known);
    return address;
  },
});

/** An address, a port, or both. */
export const listenAddress: ValueType<string> = {
  values: "`a.b.c.d`, `a.b.c.d:port` or `:port`",
  read(value) {
    const text = readText(value);
    const [address = "", port, rest] = text.split(":");
    const anyAddress = address === "" && port !== undefined;
    if (rest !== undefined || (!anyAddress && parseIpv4(address) === undefined)) {
      refuse(`"${printable(text)}" is not a.b.c.d, a.b.c.d:port or :port`);
    }
    if (port !== undefined) readPortText(port);
    return text;
  },
};

/** A network that has room for virtual addresses. */
export const subnet: ValueType<Cidr> = {
  values: "`a.b.c.d/n`, /8 to /29",
  read(value, { fallback }) {
    const text = readText(value);
    const suggestion = `The default is ${formatCidr(fallback)}`;
    const cidr = parseCidr(text);
    if (cidr === undefined) return refuse(`"${printable(text)}" is not of the form a.b.c.d/n`, suggestion);
    if (cidr.prefix < 8 || cidr.prefix > 29) return refuse(`/${cidr.prefix} is not in /8 to /29`, suggestion);
    if (isHostAddress(cidr.base)) return cidr;
    return refuse(`${formatCidr(cidr)} has no address that a host can have`, suggestion);
  },
  write: formatCidr,
};

/** A name that the kernel accepts for a new interface, and that no program reads as an option. */
export const interfaceName: ValueType<string> = {
  values: "1 to 15 of `A-Z a-z 0-9 _ . -`",
  read(value) {
    const name = readText(value);
    if (/^[A-Za-z0-9_.][A-Za-z0-9_.-]{0,14}$/.test(name) && !/^\.{1,2}$/.test(name)) return name;
    return refuse(
      `"${printable(name)}" is not 1 to 15 letters, digits, or _ . -`,
      "The default is ngrokd0",
    );
  },
};

/** A list of networks, which may be empty; an address is a network of one. */
export const networks: ValueType<readonly Cidr[]> = listOf("`a.b.c.d/n` or `a.b.c.d`", {
  read(value) {
    const text = readText(value);
    const network = parseCidr(text.includes("/") ? text : `${text}/32`);
    return network ?? refuse(`"${printable(text)}" is not of the form a.b.c.d/n`);
  },
  write: formatCidr,
  mayBeEmpty: true,
});

/** A list of hosts as a request names them, without ports, and of origins of web pages. */
export const requestHosts: ValueType<readonly string[]> = listOf(
  "host names, `*.suffix`, `a.b.c.d` or origins",
  {
    read(value) {
      const text = readText(value);
      const host = normalizeHostname(text);
      if (isHostname(host) || isWildcard(host) || parseIpv4(host) !== undefined) return host;
      const hasScheme = /^[a-z]+:\/\//i.test(text);
      const url = URL.parse(hasScheme ? text : `http://${text}`);
      const bare = (hasScheme ? url?.origin : url?.hostname) ?? "";
      return parseOrigin(text) ?? refuse(
        `"${printable(text)}" is not a host name, *.suffix, IPv4 address or origin`,
        isHostname(bare) || parseOrigin(bare) !== undefined ? `Write ${bare}` : undefined,
      );
    },
  },
);

/** A list of DNS servers, each read as `a.b.c.d:port` or `[IPv6 address]:port`. */
export const dnsServers: ValueType<readonly string[]> = listOf(
  "`a.b.c.d`, IPv6, `a.b.c.d:port` or `[IPv6]:port`",
  {
    read(value) {
      const text = readText(value);
      const [, inBrackets, portText] = /^\[([^\]]*)\](?::(.*))?$/.exec(text) ?? [];
      const ipv6 = normalizeIpv6(inBrackets ?? text);
      if (ipv6 !== undefined) {
        return serverKey(
          ipv6,
          portText === undefined ? DNS_PORT : readPortText(portText),
        );
      }
      const { hostname, port } = readHostPort(value, DNS_PORT);
      const address = hostname === "localhost" ? "127.0.0.1" : hostname;
      if (parseIpv4(address) !== undefined) return `${address}:${port}`;
      return refuse(`"${printable(hostname)}" is not an IP address`, "Write the address of the DNS server");
    },
  },
);

function serverKey(address: string, port: number): string {
  if (isLinkLocal(address) && !address.includes("%")) {
    return refuse(`"${address}" is link-local`, `Write it with its interface: ${address}%eth0`);
  }
  return listenerKey(address, port);
}

function readHostIp(value: unknown): string {
  const text = readText(value);
  const address = parseIpv4(text);
  if (address === undefined) return refuse(`"${printable(text)}" is not an IPv4 address`);
  if (!isHostAddress(address)) refuse(`"${printable(text)}" cannot be the address of a host`);
  return text;
}

function readHostPort(value: unknown, defaultPort: number): { hostname: string; port: number } {
  const text = readText(value);
  const [host = "", port, rest] = text.split(":");
  if (rest !== undefined) refuse(`"${printable(text)}" is not host:port`, "Write it without a scheme");
  const hostname = normalizeHostname(host);
  if (!isHostname(hostname) && parseIpv4(hostname) === undefined) {
    refuse(`"${printable(host)}" is not a host name or an IPv4 address`);
  }
  return { hostname, port: port === undefined ? defaultPort : readPortText(port) };
}

function readPortText(text: string): number {
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65535) refuse(`the port "${printable(text)}" is not in 1 to 65535`);
  return port;
}

/** Returns false for 0.0.0.0/8, multicast and reserved addresses. */
function isHostAddress(address: number): boolean {
  return address >>> 24 > 0 && address >>> 24 < 224;
}
