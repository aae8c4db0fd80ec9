import type { SETUPS } from "./setups.ts";

/** The consequences of leaving one entry out of a permission set. */
export type Row = readonly [
  /** The scenario that needs the entry. */
  scenario: string,
  /** The text that a user reads without it. */
  shows: string | RegExp,
  /** The other scenarios that fail without it; `ALL` if the daemon does not even start. */
  also?: readonly string[] | typeof ALL,
];

export const ALL = "all";

/** The scenarios of the setup `local` that need an endpoint. */
const OF_ENDPOINTS = [
  "listens on a virtual address",
  "listens on an interface by name",
  "dials the ingress at localhost",
  "writes /etc/hosts",
  "replaces /etc/hosts",
  "writes /etc/resolv.conf",
  "replaces /etc/resolv.conf",
];
/** The scenarios of the setup `virtual` that need an interface. */
const OF_INTERFACE = [
  "creates an interface with the default subnet",
  "makes systemd-resolved ask ngrokd",
  "redirects a port that another program holds",
];
const DENIED = "the permission set does not allow";
/** Without one entry the others are still read. */
const OTHERS_REPORTED = /The variable [A-Z_0-9]+ is set, so/;
const IN_PLACE = "; writing it in place";
const ABSENT = "nothing listens on /run/ngrokd/ngrokd.sock";
const NO_SOCKET = "the permission set does not include /run/ngrokd/ngrokd.sock";

/** A row for each entry of the shipped sets, by the setup that shows it. */
export const ROWS: Readonly<Record<keyof typeof SETUPS, Readonly<Record<string, Row>>>> = {
  local: {
    "--allow-net=0.0.0.0/0": [
      "listens on a virtual address",
      `server.health_address: ${DENIED} "127.0.0.1"`,
      ALL,
    ],
    "--allow-net=localhost": [
      "dials the ingress at localhost",
      `ingressEndpoint: ${DENIED} "localhost:`,
      ALL,
    ],
    "--allow-net=unix:/run/ngrokd/ngrokd.sock": [
      "answers on the control socket",
      `server.socket_path: ${DENIED} "/run/ngrokd/ngrokd.sock"`,
      ALL,
    ],
    "--allow-net=unix:/run/ngrokd/owner/ngrokd.sock": [
      "answers on the socket of root",
      /Cannot open a control socket for root alone: .*permission set does not allow it/,
    ],
    "--allow-read=/etc/ngrokd": [
      "reads the configuration",
      `Cannot read /etc/ngrokd/config.yml: ${DENIED} it`,
      ALL,
    ],
    "--allow-read=/run/ngrokd": [
      "answers on the control socket",
      /server\.socket_path: the permission set .* --allow-read=\/run\/ngrokd/,
      ALL,
    ],
    "--allow-read=/etc/hosts": [
      "writes /etc/hosts",
      /"names":\{[^}]*Cannot read \/etc\/hosts: the permission set does not allow it/,
      ["replaces /etc/hosts"],
    ],
    "--allow-read=/etc/hosts.ngrokd.tmp": ["replaces /etc/hosts", `Cannot replace /etc/hosts${IN_PLACE}`],
    "--allow-read=/etc/resolv.conf": [
      "forwards to the server in /etc/resolv.conf",
      /"resolver":\{[^}]*Cannot read \/etc\/resolv\.conf: the permission set does not allow it/,
      ["writes /etc/resolv.conf", "replaces /etc/resolv.conf"],
    ],
    "--allow-read=/etc/resolv.conf.ngrokd.tmp": [
      "replaces /etc/resolv.conf",
      `Cannot replace /etc/resolv.conf${IN_PLACE}`,
    ],
    "--allow-read=/etc/group": [
      "gives the socket to the group ngrokd",
      'Requires read access to "/etc/group"',
      ALL,
    ],
    "--allow-read=/etc/ssl/certs/ngrok": [
      "dials the ingress at localhost",
      `Cannot list /etc/ssl/certs/ngrok: ${DENIED} it`,
    ],
    "--allow-write=/etc/ngrokd": [
      "saves key and certificate",
      `server.client_key: ${DENIED} "/etc/ngrokd/tls.key"`,
      ALL,
    ],
    "--allow-write=/run/ngrokd": [
      "answers on the control socket",
      /server\.socket_path: the permission set .* --allow-write=\/run\/ngrokd/,
      ALL,
    ],
    "--allow-write=/etc/hosts": [
      "writes /etc/hosts",
      `Not publishing names: Cannot write /etc/hosts: ${DENIED} it`,
      ["replaces /etc/hosts"],
    ],
    "--allow-write=/etc/hosts.ngrokd.tmp": ["replaces /etc/hosts", `Cannot replace /etc/hosts${IN_PLACE}`],
    "--allow-write=/etc/resolv.conf": [
      "writes /etc/resolv.conf",
      /"resolver":\{[^}]*Cannot write \/etc\/resolv\.conf: the permission set does not allow it/,
      ["replaces /etc/resolv.conf"],
    ],
    "--allow-write=/etc/resolv.conf.ngrokd.tmp": [
      "replaces /etc/resolv.conf",
      `Cannot replace /etc/resolv.conf${IN_PLACE}`,
    ],
    "--allow-env=NGROK_API_KEY": [
      "registers with NGROK_API_KEY",
      "Waiting for an API key: run ngrokctl set-api-key",
      ["saves key and certificate", ...OF_ENDPOINTS, "refuses the name of this machine"],
    ],
    "--allow-env=NGROKD_SIGUSR1": [
      "does not warn of SIGUSR1 if it is blocked",
      "SIGUSR1 is not blocked",
    ],
    "--allow-env=NGROKD_PROGRAMS": ["hints name the directory of the commands", ": ngrokctl config edit"],
    // These two are not grants: they make the variables read as unset, without which no YAML can be
    // read.
    "--ignore-env=LOG_TOKENS": ["reads the configuration", "Config validation failed", ALL],
    "--ignore-env=LOG_STREAM": ["reads the configuration", "Config validation failed", ALL],
    "--allow-sys=networkInterfaces": [
      "listens on an interface by name",
      'Requires sys access to "networkInterfaces"',
      ALL,
    ],
    "--allow-sys=systemMemoryInfo": [
      "listens on a virtual address",
      'Requires sys access to "systemMemoryInfo"',
      ALL,
    ],
    "--allow-sys=hostname": [
      "refuses the name of this machine",
      'Cannot finish a round: Requires sys access to "hostname"',
      OF_ENDPOINTS,
    ],
    "--allow-sys=uid": ["reads the configuration", "Add --allow-sys: see docs/permissions.md", ALL],
  },
  defaults: {
    "--allow-net=api.ngrok.com": ["calls the default API", `api.url: ${DENIED} "https://api.ngrok.com"`, ALL],
  },
  container: {
    "--allow-net=kubernetes-binding-ingress.ngrok.io": [
      "dials the ingress by its name",
      `ingressEndpoint: ${DENIED} "kubernetes-binding-ingress.ngrok.io:`,
      ALL,
    ],
    "--allow-read=/run/secrets": [
      "registers with NGROK_API_KEY_FILE",
      `NGROK_API_KEY_FILE: Cannot read /run/secrets/ngrok_api_key: ${DENIED} it`,
      ALL,
    ],
    "--allow-env=NGROK_API_KEY_FILE": [
      "registers with NGROK_API_KEY_FILE",
      "Waiting for an API key: run ngrokctl set-api-key",
      ["dials the ingress by its name", "writes the file of NGROKD_HOSTS_PATH"],
    ],
    "--allow-env=NGROKD_HOSTS_PATH": [
      "writes the file of NGROKD_HOSTS_PATH",
      "/etc/hosts updated successfully",
    ],
  },
  operator: {
    "--allow-net=connect.ngrok-endpoints.com": [
      "dials the ingress that the cloud names",
      '"ingress_endpoint":"kubernetes-binding-ingress.ngrok.io:443"',
    ],
  },
  exposed: {
    "--allow-env=DENO_AUDIT_PERMISSIONS": ["reports DENO_AUDIT_PERMISSIONS", OTHERS_REPORTED],
    "--allow-env=DENO_CERT": ["reports DENO_CERT", OTHERS_REPORTED],
    "--allow-env=DENO_COVERAGE_DIR": ["reports DENO_COVERAGE_DIR", OTHERS_REPORTED],
    "--allow-env=DENO_TLS_CA_STORE": ["reports DENO_TLS_CA_STORE", OTHERS_REPORTED],
    "--allow-env=DENO_V8_FLAGS": ["reports DENO_V8_FLAGS", OTHERS_REPORTED],
    "--allow-env=LD_AUDIT": ["reports LD_AUDIT", OTHERS_REPORTED],
    "--allow-env=LD_LIBRARY_PATH": ["reports LD_LIBRARY_PATH", OTHERS_REPORTED],
    "--allow-env=LD_PRELOAD": ["reports LD_PRELOAD", OTHERS_REPORTED],
    "--allow-env=NODE_EXTRA_CA_CERTS": ["reports NODE_EXTRA_CA_CERTS", OTHERS_REPORTED],
    "--allow-env=NODE_TLS_REJECT_UNAUTHORIZED": ["reports NODE_TLS_REJECT_UNAUTHORIZED", OTHERS_REPORTED],
    "--allow-env=OTEL_DENO": ["reports OTEL_DENO", OTHERS_REPORTED],
    "--allow-env=SSLKEYLOGFILE": ["reports SSLKEYLOGFILE", OTHERS_REPORTED],
  },
  virtual: {
    "--allow-read=/run/systemd/resolve/resolv.conf": [
      "forwards to the server of systemd-resolved",
      `Cannot read /run/systemd/resolve/resolv.conf: ${DENIED} it`,
    ],
    "--allow-run=/usr/bin/resolvectl": [
      "makes systemd-resolved ask ngrokd",
      /"resolver":\{[^}]*Requires run access to \\?"\/usr\/bin\/resolvectl/,
    ],
    "--allow-net=unix:/var/run/ngrokd.sock": [
      "takes over the interface of the Go daemon",
      /Cannot check if the Go daemon is running and uses ngrokd0: Requires net access/,
      OF_INTERFACE,
    ],
    "--allow-read=/var/run/ngrokd.sock": [
      "takes over the interface of the Go daemon",
      /Cannot check if the Go daemon is running and uses ngrokd0: Requires read access/,
      OF_INTERFACE,
    ],
    "--allow-write=/var/run/ngrokd.sock": [
      "takes over the interface of the Go daemon",
      /Cannot check if the Go daemon is running and uses ngrokd0: Requires write access/,
      OF_INTERFACE,
    ],
    "--allow-run=/sbin/ip": [
      "takes over the interface of the Go daemon",
      /Failed to create virtual network interface: .*Requires run access to "\/sbin\/ip"/,
      OF_INTERFACE,
    ],
    "--allow-run=/usr/sbin/nft": [
      "redirects a port that another program holds",
      /Cannot redirect held ports: .*Requires run access to "\/usr\/sbin\/nft"/,
    ],
  },
  proxied: {
    "--allow-env=HTTPS_PROXY": [
      "reads HTTPS_PROXY",
      '"proxy":{"api":{"url":"http://127.0.0.2:9","source":"https_proxy"}',
    ],
    "--allow-env=https_proxy": [
      "reads https_proxy",
      '"notes":["ALL_PROXY is not used: HTTPS_PROXY has priority"',
    ],
    "--allow-env=ALL_PROXY": [
      "reads ALL_PROXY",
      'HTTPS_PROXY has priority","all_proxy is not used: HTTPS_PROXY has priority"',
    ],
    "--allow-env=all_proxy": [
      "reads all_proxy",
      '"ALL_PROXY is not used: HTTPS_PROXY has priority","no_proxy is not used: NO_PROXY has priority"',
    ],
    "--allow-env=NO_PROXY": ["reads NO_PROXY", /HTTPS_PROXY is not used: no_proxy has \\"\.ngrok\.com\\""/],
    "--allow-env=no_proxy": ["reads no_proxy", '"all_proxy is not used: HTTPS_PROXY has priority"]', [
      "reads NO_PROXY",
    ]],
  },
  ctl: {
    "--allow-net=unix:/run/ngrokd/ngrokd.sock": ["status falls back to the socket of the group", NO_SOCKET],
    "--allow-read=/run/ngrokd/ngrokd.sock": ["status falls back to the socket of the group", NO_SOCKET],
    "--allow-write=/run/ngrokd/ngrokd.sock": ["status falls back to the socket of the group", NO_SOCKET],
    "--allow-net=unix:/run/ngrokd/owner/ngrokd.sock": ["status needs no socket of the group", ABSENT],
    "--allow-read=/run/ngrokd/owner/ngrokd.sock": ["status needs no socket of the group", ABSENT],
    "--allow-write=/run/ngrokd/owner/ngrokd.sock": ["status needs no socket of the group", ABSENT],
    "--allow-net=raw.githubusercontent.com:443": [
      "trust fetch sends its request",
      'Requires net access to "raw.githubusercontent.com:443"',
    ],
    "--allow-read=/etc/ngrokd/config.yml": [
      "config edit checks the file",
      "✓ /etc/ngrokd/config.yml was edited",
    ],
    "--allow-run=/bin/sh": ["config edit opens the editor", 'Cannot run "/bin/sh": Requires run access', [
      "config edit checks the file",
    ]],
    // The default socket answers instead.
    "--allow-env=NGROKD_SOCKET": ["status asks the socket of NGROKD_SOCKET", /Registered[^]*Registered/],
    "--allow-env=NGROKD_PROGRAMS": [
      "hints name the directory of the commands",
      "Did you mean: ngrokctl list",
    ],
    "--ignore-env=LOG_TOKENS": ["config edit checks the file", "Config validation failed"],
    "--ignore-env=LOG_STREAM": ["config edit checks the file", "Config validation failed"],
  },
};

const ON_MACOS = "only macOS has such a directory (resolver(5)), and these tests run on Linux";

/** The entries that these tests cannot show, with the reason. */
export const NO_SCENARIO: Readonly<Record<"ngrokd" | "ngrokctl", Readonly<Record<string, string>>>> = {
  ngrokd: {
    "--allow-read=/etc/resolver": ON_MACOS,
    "--allow-write=/etc/resolver": ON_MACOS,
  },
  ngrokctl: {
    "--allow-net=127.0.0.1:9229":
      "a daemon holds the port already (tests/attack/open_the_inspector_test.ts does without one)",
  },
};
