import { isLoopbackHost } from "../lib/loopback_host.ts";
import { didYouMean } from "../lib/did_you_mean.ts";
import { isHostname, normalizeHostname } from "../lib/hostname.ts";
import { type Cidr, formatCidr, parseCidr, parseIpv4 } from "../lib/ipv4.ts";
import { printable } from "../lib/printable.ts";
import { refuse } from "./field.ts";

/** The longest interval in seconds: timers hold 31 bits of milliseconds, a longer one would fire at once. */
const MAX_INTERVAL_S = 2_147_483;
// deno-lint-ignore no-control-regex
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;
const WHOLE_NUMBER = /^[+-]?(?:0|[1-9][0-9]*)$/;
const WORDS_OF_TRUTH: Readonly<Record<string, boolean>> = {
  true: true,
  yes: true,
  on: true,
  false: false,
  no: false,
  off: false,
};

/** Text on one line. Numbers and booleans are taken as they are written: in YAML `- true` and `- "true"` mean the same selector. */
export function readText(value: unknown): string {
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  if (typeof value !== "string") return refuse("it is not text");
  if (CONTROL.test(value)) refuse(`"${printable(value)}" holds a line break or a control character`);
  return value;
}

/** A path of a file. */
export function readFilePath(value: unknown): string {
  const path = readText(value);
  if (path.endsWith("/")) refuse(`"${printable(path)}" is a directory`, "Name a file in it");
  return path;
}

/** A whole number, also one that is written as text. */
export function readInteger(value: unknown): number {
  const number = typeof value === "string" && WHOLE_NUMBER.test(value) ? Number(value) : value;
  if (typeof number !== "number" || !Number.isSafeInteger(number)) {
    return refuse(`${show(value)} is not a whole number`);
  }
  return number;
}

/** A port that can be bound or dialled. */
export function readPort(value: unknown, fallback: number): number {
  const port = readInteger(value);
  if (port < 0 || port > 65535) refuse(`${port} is not in 1 to 65535`, `The default is ${fallback}`);
  return port || fallback;
}

/** Seconds, as milliseconds. */
export function readInterval(value: unknown, fallbackMs: number): number {
  const seconds = readInteger(value);
  if (seconds < 0) refuse(`${seconds} is not positive`, `The default is ${fallbackMs / 1000} (seconds)`);
  if (seconds > MAX_INTERVAL_S) refuse(`${seconds} is too long`, `At most ${MAX_INTERVAL_S} seconds`);
  return seconds * 1000 || fallbackMs;
}

/** True or false, also in the words of YAML 1.1 that the Go daemon takes. */
export function readBoolean(value: unknown): boolean {
  if (typeof value === "boolean") return value;
  const word = typeof value === "string" ? value.toLowerCase() : "";
  if (!Object.hasOwn(WORDS_OF_TRUTH, word)) refuse(`${show(value)} is not true or false`);
  return WORDS_OF_TRUTH[word]!;
}

/** One of some words, in any case. */
export function readWord<T extends string>(value: unknown, words: readonly T[]): T {
  const text = readText(value).toLowerCase();
  const word = words.find((candidate) => candidate === text);
  if (word !== undefined) return word;
  return refuse(
    `"${printable(text)}" is not ${words.slice(0, -1).join(", ")} or ${words.at(-1)}`,
    suggest(text, words),
  );
}

/** The API's URL: `https:`, or `http:` for a loopback host (DESIGN.md decision 14); without its final slashes. */
export function readApiUrl(value: unknown): string {
  const text = readText(value);
  const url = URL.parse(text);
  const example = "Write it like https://api.ngrok.com";
  // Not shown before this: a user name or password in it may be a secret.
  if (url !== null && (url.username !== "" || url.password !== "")) {
    return refuse("it holds a user name or password", "The API key belongs in api.key");
  }
  if (url === null || /\s/.test(text)) return refuse("it is not a URL", example);
  if (url.protocol !== "https:" && url.protocol !== "http:") {
    return refuse(`the scheme "${printable(url.protocol.slice(0, -1))}" is not https`, example);
  }
  if (url.search !== "" || url.hash !== "") return refuse("it holds a query or a fragment", example);
  if (url.protocol === "http:" && !isLoopbackHost(url.hostname)) {
    return refuse("http would show the API key to the network", `Write https://${url.host}`);
  }
  return url.origin + url.pathname.replace(/\/+$/, "");
}

/** `host`, or `host:port`. */
export function readHostPort(value: unknown, defaultPort: number): { hostname: string; port: number } {
  const text = readText(value);
  const [host = "", port, rest] = text.split(":");
  if (rest !== undefined) refuse(`"${printable(text)}" is not host:port`, "Write it without a scheme");
  const hostname = normalizeHostname(host);
  if (!isHostname(hostname) && parseIpv4(hostname) === undefined) {
    refuse(`"${printable(host)}" is not a host name or an IPv4 address`);
  }
  return { hostname, port: port === undefined ? defaultPort : readPortText(port) };
}

/** An IPv4 address to listen at; `localhost` is one. */
export function readAddress(value: unknown): string {
  const text = readText(value);
  if (text === "localhost") return "127.0.0.1";
  if (parseIpv4(text) === undefined) {
    refuse(`"${printable(text)}" is not an IPv4 address`, "The default is 127.0.0.1");
  }
  return text;
}

/** An IPv4 address that a host can have. */
export function readHostAddress(value: unknown): string {
  const text = readText(value);
  const address = parseIpv4(text);
  if (address === undefined) return refuse(`"${printable(text)}" is not an IPv4 address`);
  if (address >>> 24 === 0 || address >>> 24 >= 224) {
    refuse(`"${printable(text)}" is no address that a host can have`);
  }
  return text;
}

/** `a.b.c.d/n`, or one address. */
export function readNetwork(value: unknown): Cidr {
  const text = readText(value);
  const network = parseCidr(text.includes("/") ? text : `${text}/32`);
  return network ?? refuse(`"${printable(text)}" is not of the form a.b.c.d/n`);
}

/** `a.b.c.d`, `a.b.c.d:port` or `:port`. */
export function readListenAddress(value: unknown): string {
  const text = readText(value);
  const [address = "", port, rest] = text.split(":");
  const anyAddress = address === "" && port !== undefined;
  if (rest !== undefined || (!anyAddress && parseIpv4(address) === undefined)) {
    refuse(`"${printable(text)}" is not a.b.c.d, a.b.c.d:port or :port`);
  }
  if (port !== undefined) readPortText(port);
  return text;
}

/** A network that virtual addresses are taken from. */
export function readSubnet(value: unknown, fallback: Cidr): Cidr {
  const text = readText(value);
  const suggestion = `The default is ${formatCidr(fallback)}`;
  const cidr = parseCidr(text);
  if (cidr === undefined) return refuse(`"${printable(text)}" is not of the form a.b.c.d/n`, suggestion);
  if (cidr.prefix < 8 || cidr.prefix > 29) return refuse(`/${cidr.prefix} is not in /8 to /29`, suggestion);
  const firstOctet = cidr.base >>> 24;
  if (firstOctet === 0 || firstOctet >= 224) {
    return refuse(`${formatCidr(cidr)} holds no address that a host can have`, suggestion);
  }
  return cidr;
}

/** A name that the kernel takes for a new link, and that no program takes for an option. */
export function readInterfaceName(value: unknown): string {
  const name = readText(value);
  if (!/^[A-Za-z0-9_.][A-Za-z0-9_.-]{0,14}$/.test(name) || /^\.{1,2}$/.test(name)) {
    refuse(`"${printable(name)}" is not 1 to 15 letters, digits, or _ . -`, "The default is ngrokd0");
  }
  return name;
}

/** The sentence for a mistyped word; undefined if nothing is near. */
export function suggest(word: string, candidates: Iterable<string>): string | undefined {
  const near = didYouMean(word, candidates);
  return near === undefined ? undefined : `Did you mean "${near}"?`;
}

function readPortText(text: string): number {
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65535) refuse(`the port "${printable(text)}" is not in 1 to 65535`);
  return port;
}

function show(value: unknown): string {
  return typeof value === "string"
    ? `"${printable(value)}"`
    : typeof value === "number"
    ? String(value)
    : "it";
}
