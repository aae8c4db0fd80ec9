/** A forwarder that is compared with ngrokd, where it is installed. */
export type PeerName = "stunnel" | "haproxy";

/**
 * The set-up of a peer in the daemon's place: plain TCP in, mutual TLS out. Ports are on 127.0.0.1;
 * paths lead to PEM files.
 */
export interface ClientSetup {
  readonly listenPort: number;
  readonly farEndPort: number;
  readonly certPath: string;
  /** Certificate and key in one file, for HAProxy. */
  readonly pairPath: string;
  readonly keyPath: string;
  /** The CA of the far end's certificate. */
  readonly caPath: string;
  /** An HTTP proxy on 127.0.0.1 that the peer connects through. */
  readonly proxyPort?: number;
}

/** The set-up of a peer as the far end: mutual TLS in, plain TCP out. */
export interface ServerSetup {
  /** The ports on which it listens, each with its port of the backend. */
  readonly routes: readonly { readonly listenPort: number; readonly backendPort: number }[];
  readonly certPath: string;
  readonly keyPath: string;
  readonly pairPath: string;
  /** The client certificates of both daemons; the peers use the first daemon's. */
  readonly clientCertPath: string;
  /** The CAs that issued them, which are not roots. */
  readonly clientCaPath: string;
}

/** A peer and the way to configure and start it. */
export interface Peer {
  readonly name: PeerName;
  readonly program: string;
  /** True if the peer can connect through an HTTP proxy. */
  readonly proxies: boolean;
  readonly versionArgs: readonly string[];
  readonly clientConfig: (setup: ClientSetup) => string;
  readonly serverConfig: (setup: ServerSetup) => string;
  readonly args: (configPath: string) => readonly string[];
}

/** One cipher suite for all subjects. It is the first choice of a Go server. */
export const CIPHER_SUITE = "TLS_AES_128_GCM_SHA256";

/** The peers with their paths on Debian. The first installed one is the far end. */
export const PEERS: readonly Peer[] = [
  {
    name: "haproxy",
    proxies: false,
    program: "/usr/sbin/haproxy",
    versionArgs: ["-v"],
    clientConfig: haproxyClient,
    serverConfig: haproxyServer,
    args: (path) => ["-db", "-q", "-f", path],
  },
  {
    name: "stunnel",
    proxies: true,
    program: "/usr/bin/stunnel4",
    versionArgs: ["-version"],
    clientConfig: stunnelClient,
    serverConfig: stunnelServer,
    args: (path) => [path],
  },
];

// One thread, as many as the daemon has.
const HAPROXY_COMMON = `global
  nbthread 1
defaults
  mode tcp
  timeout connect 10s
  timeout client 60s
  timeout server 60s
`;

function haproxyClient(setup: ClientSetup): string {
  const { listenPort, farEndPort, pairPath, caPath } = setup;
  const verify = `ca-file ${caPath} verify required verifyhost localhost sni str(localhost)`;
  return `${HAPROXY_COMMON}listen bench
  bind 127.0.0.1:${listenPort}
  server far-end 127.0.0.1:${farEndPort} ssl crt ${pairPath} ${verify} force-tlsv13
`;
}

function haproxyServer(setup: ServerSetup): string {
  const { routes, pairPath, clientCaPath } = setup;
  // Error 2 says that the CA is not a root. The client's certificate is still verified against it.
  const tls = `ssl crt ${pairPath} ca-file ${clientCaPath} ca-ignore-err 2 verify required ` +
    `ssl-min-ver TLSv1.3 ciphersuites ${CIPHER_SUITE}`;
  const sections = routes.map(({ listenPort, backendPort }) =>
    `listen bench-${listenPort}
  bind 127.0.0.1:${listenPort} ${tls}
  server backend 127.0.0.1:${backendPort}
`
  );
  // Larger buffers save CPU at the far end. As a subject HAProxy keeps its defaults.
  return HAPROXY_COMMON.replace("global\n", "global\n  tune.bufsize 65536\n") + sections.join("");
}

const STUNNEL_COMMON = `foreground = yes
pid =
syslog = no
debug = err
socket = a:SO_REUSEADDR=1
socket = l:TCP_NODELAY=1
socket = r:TCP_NODELAY=1
`;

function stunnelClient(setup: ClientSetup): string {
  const { listenPort, farEndPort, certPath, keyPath, caPath, proxyPort } = setup;
  const target = proxyPort === undefined
    ? `connect = 127.0.0.1:${farEndPort}`
    : `connect = 127.0.0.1:${proxyPort}\nprotocol = connect\nprotocolHost = 127.0.0.1:${farEndPort}`;
  return `${STUNNEL_COMMON}[bench]
client = yes
accept = 127.0.0.1:${listenPort}
${target}
cert = ${certPath}
key = ${keyPath}
CAfile = ${caPath}
verifyChain = yes
checkIP = 127.0.0.1
sslVersion = TLSv1.3
`;
}

function stunnelServer(setup: ServerSetup): string {
  const { routes, certPath, keyPath, clientCertPath } = setup;
  const sections = routes.map(({ listenPort, backendPort }) =>
    `[bench-${listenPort}]
accept = 127.0.0.1:${listenPort}
connect = 127.0.0.1:${backendPort}
cert = ${certPath}
key = ${keyPath}
CAfile = ${clientCertPath}
verifyPeer = yes
sslVersion = TLSv1.3
ciphersuites = ${CIPHER_SUITE}
`
  );
  return STUNNEL_COMMON + sections.join("");
}
