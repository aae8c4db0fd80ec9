import type { Cidr } from "../lib/ipv4.ts";
import type { Proxy } from "../model/proxy.ts";
import { defaultSocketPath } from "./paths.ts";

/** The configuration after parsing: every value checked, every default filled in. */
export interface Config {
  readonly api: {
    /** Origin and optional path, without a final slash; `http:` for loopback hosts only. */
    readonly url: string;
    /** Empty if the file holds none. */
    readonly key: string;
  };
  /** Undefined if the file does not name one: then the operator's own may be used. */
  readonly ingressEndpoint: { readonly hostname: string; readonly port: number } | undefined;
  /** For the API and the ingress; undefined: the file names none. */
  readonly proxy: Proxy | undefined;
  readonly server: {
    readonly logLevel: "debug" | "info" | "warn" | "error";
    readonly logFormat: "text" | "json";
    readonly socketPath: string;
    /** Its directory is the state directory. */
    readonly clientCert: string;
    readonly clientKey: string;
    readonly certRefreshIntervalMs: number;
    readonly healthAddress: string;
    readonly healthPort: number;
    /** A PEM file that is trusted for the ingress; empty: none. */
    readonly ingressCa: string;
  };
  readonly boundEndpoints: { readonly pollIntervalMs: number; readonly selectors: readonly string[] };
  readonly net: {
    readonly interfaceName: string;
    readonly subnet: Cidr;
    /** `virtual`, an IPv4 address, or the name of an interface. */
    readonly listenInterface: string;
    readonly startPort: number;
    /** Host name, or `*.suffix`, to a listen interface. Has no prototype: a host may be called `constructor`. */
    readonly overrides: Readonly<Record<string, string>>;
    /** Who may connect to listeners that are not virtual, and ask our DNS server; this machine always may. */
    readonly allowCidrs: readonly Cidr[];
    /** What DNS answers in place of the address that was asked (containers, NAT); empty: that address. */
    readonly advertiseIp: string;
  };
  readonly dns: {
    readonly enabled: boolean;
    /** `a.b.c.d`, `a.b.c.d:port` or `:port`; empty: chosen by the daemon. */
    readonly listen: string;
    /** Undefined if the file does not say: then the mode decides. */
    readonly manageResolvConf: boolean | undefined;
    /** Each `a.b.c.d:port`. */
    readonly upstream: readonly string[];
  };
}

/** Private ranges (RFC 1918), loopback (RFC 1122) and link-local (RFC 3927). */
export const PRIVATE_NETWORKS: readonly Cidr[] = [
  { base: 0x0a000000, prefix: 8 },
  { base: 0xac100000, prefix: 12 },
  { base: 0xc0a80000, prefix: 16 },
  { base: 0x7f000000, prefix: 8 },
  { base: 0xa9fe0000, prefix: 16 },
];

/** What holds for every key that the file leaves out (COMPAT.md 4.2). */
export const DEFAULTS: Config = {
  api: { url: "https://api.ngrok.com", key: "" },
  ingressEndpoint: undefined,
  proxy: undefined,
  server: {
    logLevel: "info",
    logFormat: "text",
    socketPath: defaultSocketPath("linux"),
    clientCert: "/etc/ngrokd/tls.crt",
    clientKey: "/etc/ngrokd/tls.key",
    certRefreshIntervalMs: 3_600_000,
    healthAddress: "127.0.0.1",
    healthPort: 8081,
    ingressCa: "",
  },
  boundEndpoints: { pollIntervalMs: 30_000, selectors: ["true"] },
  net: {
    interfaceName: "ngrokd0",
    subnet: { base: 0x0a6b0000, prefix: 16 },
    listenInterface: "virtual",
    startPort: 9080,
    overrides: Object.freeze(Object.create(null)),
    allowCidrs: PRIVATE_NETWORKS,
    advertiseIp: "",
  },
  dns: { enabled: false, listen: "", manageResolvConf: undefined, upstream: [] },
};

/** The ingress that is dialled when neither the file nor the operator names another (PROTOCOL.md 3.1). */
export const DEFAULT_INGRESS = { hostname: "kubernetes-binding-ingress.ngrok.io", port: 443 };
