import assert from "node:assert/strict";
import type { AddedSet, ShippedSet } from "../../../scripts/permission_flags.ts";
import { type RunOptions, Stage } from "../../../sim/stage.ts";
import { DANGEROUS_VARIABLES, SIGNAL_VARIABLE } from "../../../src/config/environment_warnings.ts";
import { PROXY_VARIABLES } from "../../../src/config/proxy/proxy_for.ts";
import { PROGRAMS_VARIABLE } from "../../../src/lib/own_commands.ts";
import type { EndpointReport } from "../../../src/model/report.ts";
import { entriesOfSets, flagsOf } from "./entries.ts";
import { dial } from "../client.ts";
import { echoOnce } from "../../long/load.ts";

/**
 * Runs ngrokctl with the permission flags under test, and gives its exit code and all that it
 * printed.
 */
type Ctl = (args: readonly string[], environment?: Record<string, string>) => Promise<[number, string]>;

/** Something that a user can see happen; it fails by throwing. */
type Scenario = (stage: Stage, ctl: Ctl) => Promise<void>;

/**
 * A daemon on the default paths of a machine of its own, its surroundings, and the scenarios of one
 * program there.
 */
export interface Setup {
  /** The program whose permission sets the scenarios need. */
  readonly program: ShippedSet;
  /** The sets that the program needs in addition. */
  readonly added?: readonly AddedSet[];
  /** Lines of the configuration, in addition to those of all setups. */
  readonly config: (stage: Stage) => readonly string[];
  /** Lines of the `net:` section. */
  readonly net?: readonly string[];
  /** @default One of 127.0.0.0/8, for which no interface is needed */
  readonly subnet?: string;
  /** The daemon's environment variables. */
  readonly environment: (stage: Stage) => Record<string, string>;
  /** Shell lines that run before the daemon. */
  readonly prelude?: string;
  /** The servers in resolv.conf. @default {[PROVIDER]} */
  readonly nameservers?: readonly string[];
  /** True if the first round includes making this machine use the DNS server. */
  readonly dns?: true;
  /** The host that the cloud names as the operator's ingress. */
  readonly operatorIngress?: string;
  /** The URLs of the endpoints; an echo service is behind each. */
  readonly endpoints: readonly string[];
  readonly scenarios: Readonly<Record<string, Scenario>>;
}

const HOSTNAME = "Audit-Box";
const GROUP_ID = 47_108;
const OWNER_SOCKET = "/run/ngrokd/owner/ngrokd.sock";
const OTHER_SOCKET = "/run/ngrokd/other.sock";
const CLOUD_NAMES = [
  "api.ngrok.com",
  "kubernetes-binding-ingress.ngrok.io",
  "connect.ngrok-endpoints.com",
  "raw.githubusercontent.com",
];

const ORIGINAL_HOSTS = "/etc/hosts.before";
const RESOLV_CONF = "/etc/resolv.conf";
const ORIGINAL_RESOLV_CONF = "/etc/resolv.conf.before";

/** The DNS server in resolv.conf. */
const PROVIDER = "192.0.2.53";
/** The server that systemd-resolved asks, and the address where it listens. */
const UPLINK = "192.0.2.54";
const STUB = "127.0.0.53";

const IP_LINK = "/sbin/ip link";

/** Shell: another program listens on a port of every address, unless it does already. */
const HOLDER = "{ nc -lk 0.0.0.0 5435 >/dev/null 2>&1 & }";

/** Shell: leaves the interface and the stale socket of a Go daemon that was killed. */
const GO_LEFTOVER = `${IP_LINK} show ngrokd0 >/dev/null 2>&1 && ${IP_LINK} delete ngrokd0; ` +
  `${IP_LINK} add ngrokd0 type dummy || ${IP_LINK} add ngrokd0 type bridge; ` +
  "/sbin/ip address add 10.107.0.1/16 dev ngrokd0; rm -f /var/run/ngrokd.sock; " +
  "nc -lU /var/run/ngrokd.sock & go=$!; sleep 0.3; kill -9 $go";

/** The hosts file before the daemon writes it: the names of the cloud lead to this machine. */
const HOSTS_TEXT = ["localhost", ...CLOUD_NAMES].map((name) => `127.0.0.1\t${name}\n`).join("");

/** API and ingress of the simulated cloud at addresses of this machine. */
const local: Setup = {
  program: "ngrokd",
  added: ["ngrokd_dns"],
  config: ({ cloud }) => [
    `api: { url: "${cloud.apiUrl}" }`,
    `ingressEndpoint: localhost:${cloud.ingressPort}`,
    "dns: { enabled: true, manage_resolv_conf: true }",
  ],
  net: ["overrides: { lan.myapp: lo }"],
  environment: ({ cloud }) => ({
    NGROK_API_KEY: cloud.apiKey,
    [SIGNAL_VARIABLE]: "blocked",
    [PROGRAMS_VARIABLE]: "/opt/ngrokd/bin",
  }),
  prelude: `install -d -m 2750 -g ${GROUP_ID} /run/ngrokd; hostname ${HOSTNAME}`,
  dns: true,
  endpoints: ["tcp://db.myapp:5432", "tcp://lan.myapp:5433", `tcp://${HOSTNAME.toLowerCase()}:5434`],
  scenarios: {
    async "reads the configuration"(stage) {
      const { config, api } = await stage.askStatus();
      assert.deepEqual([config.state, api.url], ["ok", stage.cloud.apiUrl]);
    },
    async "hints name the directory of the commands"(stage) {
      const text = await Deno.readTextFile(stage.configPath);
      const reload = async (config: string, logged: string) => {
        await Deno.writeTextFile(stage.configPath, config);
        Deno.kill(stage.pid, "SIGHUP");
        await stage.until(logged, () => stage.log.some((line) => line.includes(logged)));
      };
      try {
        await reload(`${text}broken: [\n`, "Config validation failed");
        assert.match(stage.log.join("\n"), /: \/opt\/ngrokd\/bin\/ngrokctl config edit"/);
      } finally {
        await reload(text, "The configuration is valid again");
      }
    },
    async "answers on the control socket"(stage) {
      assert.match(String(await stage.ask("version")), /^[0-9.]+$/);
    },
    async "does not warn of SIGUSR1 if it is blocked"(stage) {
      assert.doesNotMatch((await stage.askStatus()).config.warnings.join("\n"), /SIGUSR1/);
    },
    async "answers on the socket of root"() {
      const conn = await Deno.connect({ transport: "unix", path: OWNER_SOCKET });
      await conn.write(new TextEncoder().encode('{"command":"version"}'));
      assert.match(await new Response(conn.readable).text(), /"success":true/);
    },
    async "gives the socket to the group ngrokd"(stage) {
      const { gid, mode } = await Deno.stat(stage.socketPath);
      assert.deepEqual([gid, mode! & 0o777], [GROUP_ID, 0o660]);
    },
    async "registers with NGROK_API_KEY"(stage) {
      const { registered, api } = await stage.askStatus();
      assert.deepEqual([registered, api.key.source], [true, "environment"]);
    },
    async "saves key and certificate"(stage) {
      assert.match(await Deno.readTextFile(`${stage.etc}/tls.key`), /PRIVATE KEY/);
      assert.match(await Deno.readTextFile(`${stage.etc}/tls.crt`), /CERTIFICATE/);
    },
    async "listens on a virtual address"(stage) {
      const { ip, listen_address } = await endpointOf(stage, "db.myapp");
      assert.match(ip, /^127\.120\./);
      (await dial(listen_address)).close();
    },
    async "listens on an interface by name"(stage) {
      assert.equal((await endpointOf(stage, "lan.myapp")).ip, "127.0.0.1");
    },
    "dials the ingress at localhost": carriesConnections,
    async "writes /etc/hosts"(stage) {
      const { ip } = await endpointOf(stage, "db.myapp");
      assert.ok((await Deno.readTextFile(stage.hostsPath)).includes(`${ip}\tdb.myapp\n`));
    },
    async "replaces /etc/hosts"(stage) {
      assert.ok(await isReplaced(stage.hostsPath, ORIGINAL_HOSTS));
    },
    async "writes /etc/resolv.conf"() {
      assert.match(await Deno.readTextFile(RESOLV_CONF), /^# ngrokd managed.*\nnameserver 127\./);
    },
    async "replaces /etc/resolv.conf"() {
      assert.ok(await isReplaced(RESOLV_CONF, ORIGINAL_RESOLV_CONF));
    },
    async "forwards to the server in /etc/resolv.conf"(stage) {
      assert.deepEqual((await stage.askStatus()).dns.upstreams, [`${PROVIDER}:53`]);
    },
    async "refuses the name of this machine"(stage) {
      const { state, reason } = await endpointOf(stage, HOSTNAME.toLowerCase());
      assert.deepEqual([state, /name of this machine/.test(reason)], ["refused", true]);
    },
  },
};

/** The ingress by ngrok's own name, and the API key as a container gets it. */
const container: Setup = {
  program: "ngrokd",
  config: ({ cloud }) => [
    `api: { url: "${cloud.apiUrl}" }`,
    `ingressEndpoint: kubernetes-binding-ingress.ngrok.io:${cloud.ingressPort}`,
  ],
  environment: () => ({
    NGROK_API_KEY_FILE: "/run/secrets/ngrok_api_key",
    NGROKD_HOSTS_PATH: "/etc/ngrokd/hosts",
  }),
  prelude: "mkdir /run/secrets; cp /etc/ngrokd/ngrok_api_key /run/secrets",
  endpoints: ["tcp://db.myapp:5432"],
  scenarios: {
    async "registers with NGROK_API_KEY_FILE"(stage) {
      const { registered, api } = await stage.askStatus();
      assert.deepEqual([registered, api.key.source], [true, "file"]);
    },
    "dials the ingress by its name": carriesConnections,
    async "writes the file of NGROKD_HOSTS_PATH"(stage) {
      const { ip } = await endpointOf(stage, "db.myapp");
      assert.ok((await Deno.readTextFile(`${stage.etc}/hosts`)).includes(`${ip}\tdb.myapp\n`));
    },
  },
};

/** The ingress that the cloud names for the operator. */
const operator: Setup = {
  program: "ngrokd",
  config: ({ cloud }) => [`api: { url: "${cloud.apiUrl}" }`],
  environment: ({ cloud }) => ({ NGROK_API_KEY: cloud.apiKey }),
  operatorIngress: "connect.ngrok-endpoints.com",
  endpoints: ["tcp://db.myapp:5432", "tcp://connect.ngrok-endpoints.com:5433"],
  scenarios: {
    "dials the ingress that the cloud names": carriesConnections,
    async "refuses the name of that ingress"(stage) {
      assert.equal((await endpointOf(stage, "connect.ngrok-endpoints.com")).state, "refused");
    },
  },
};

/**
 * The default configuration; nothing listens at https://api.ngrok.com, which leads to this machine.
 */
const defaults: Setup = {
  program: "ngrokd",
  config: () => [],
  environment: ({ cloud }) => ({ NGROK_API_KEY: cloud.apiKey }),
  endpoints: [],
  scenarios: {
    async "calls the default API"(stage) {
      const { api } = await stage.askStatus();
      assert.deepEqual([api.url, api.state], ["https://api.ngrok.com", "unreachable"]);
    },
  },
};

/** Every variable that names a proxy, or exempts a host from it; nothing listens there. */
const proxied: Setup = {
  program: "ngrokd",
  config: () => [],
  environment: ({ cloud }) => ({
    NGROK_API_KEY: cloud.apiKey,
    DENO_NO_UPDATE_CHECK: "1",
    HTTPS_PROXY: "http://127.0.0.1:9",
    https_proxy: "http://127.0.0.2:9",
    ALL_PROXY: "http://127.0.0.3:9",
    all_proxy: "http://127.0.0.4:9",
    NO_PROXY: ".example.com",
    no_proxy: ".ngrok.com",
  }),
  endpoints: [],
  scenarios: Object.fromEntries(PROXY_VARIABLES.map((name) => [`reads ${name}`, async (stage) => {
    const { api, notes } = (await stage.askStatus()).proxy;
    const texts = [...api === null ? [] : [api.source], ...notes];
    assert.ok(texts.some((text) => text.split(/\W/).includes(name)), texts.join("; "));
  }])),
};

const REPORTED = Object.keys(DANGEROUS_VARIABLES);

/** Every variable that `scripts/start.sh` removes and the daemon reports. */
const exposed: Setup = {
  program: "ngrokd",
  config: ({ cloud }) => [`api: { url: "${cloud.apiUrl}" }`],
  environment: ({ cloud, directory }) => ({
    NGROK_API_KEY: cloud.apiKey,
    ...Object.fromEntries(REPORTED.map((name) => [name, `${directory}/${name}`])),
    DENO_TLS_CA_STORE: "mozilla",
    DENO_V8_FLAGS: "--expose-gc",
    NODE_OPTIONS: "--no-warnings",
    NODE_TLS_REJECT_UNAUTHORIZED: "0",
    OTEL_DENO: "false",
    DENO_CERT: "/etc/ssl/certs/ngrok/ca.pem",
    NODE_EXTRA_CA_CERTS: "/etc/ssl/certs/ngrok/ca.pem",
  }),
  endpoints: [],
  scenarios: Object.fromEntries(REPORTED.map((name) => [`reports ${name}`, async (stage) => {
    const { warnings } = (await stage.askStatus()).config;
    assert.ok(warnings.some((text) => text.startsWith(`The variable ${name} is set`)), warnings.join("; "));
  }])),
};

/** The default subnet, and systemd-resolved. */
const virtual: Setup = {
  program: "ngrokd",
  added: ["ngrokd_dns"],
  config: ({ cloud }) => [`api: { url: "${cloud.apiUrl}" }`],
  subnet: "10.107.0.0/16",
  environment: ({ cloud }) => ({ NGROK_API_KEY: cloud.apiKey }),
  prelude:
    `mkdir -p /run/systemd/resolve; echo nameserver ${UPLINK} >/run/systemd/resolve/resolv.conf; ${HOLDER}; ${GO_LEFTOVER}`,
  nameservers: [STUB],
  dns: true,
  endpoints: ["http://*.apps.myapp", "tcp://held.myapp:5435"],
  scenarios: {
    async "creates an interface with the default subnet"(stage) {
      const { driver, kind, subnet } = (await stage.askStatus()).addresses;
      assert.deepEqual([driver, subnet], ["linux_ip", "10.107.0.0/16"]);
      assert.match(kind!, /^(dummy|veth|lo)$/);
    },
    async "takes over the interface of the Go daemon"(stage) {
      await stage.until("the take-over", () => stage.log.some((line) => /Took over interface/.test(line)));
    },
    async "redirects a port that another program holds"(stage) {
      const { state, reason } = await endpointOf(stage, "held.myapp");
      assert.deepEqual([state, /, redirected$/.test(reason)], ["active", true]);
    },
    async "makes systemd-resolved ask ngrokd"(stage) {
      assert.equal((await stage.askStatus()).dns.resolver.driver, "systemd_resolved");
      assert.equal(await Deno.readTextFile("/run/resolvectl/domain"), "~apps.myapp\n");
      assert.equal(await Deno.readTextFile("/run/resolvectl/dns"), "10.107.0.1\n");
    },
    async "forwards to the server of systemd-resolved"(stage) {
      assert.deepEqual((await stage.askStatus()).dns.upstreams, [`${UPLINK}:53`]);
    },
  },
};

/** ngrokctl beside a daemon that is registered. */
const ctl: Setup = {
  ...local,
  program: "ngrokctl",
  added: [],
  scenarios: {
    async "status prints the registration"(_stage, run) {
      const [code, text] = await run(["status"]);
      assert.deepEqual([code, /Registered: +Yes/.test(text)], [0, true]);
    },
    "status needs no socket of the group": (stage, run) => statusWithout(stage.socketPath, run),
    "status falls back to the socket of the group": (_stage, run) => statusWithout(OWNER_SOCKET, run),
    async "status asks the socket of NGROKD_SOCKET"(_stage, run) {
      const [code, text] = await run(["status"], { NGROKD_SOCKET: OTHER_SOCKET });
      assert.deepEqual([code, text.includes(OTHER_SOCKET)], [1, true]);
    },
    async "hints name the directory of the commands"(_stage, run) {
      const [, text] = await run(["lst"], { [PROGRAMS_VARIABLE]: "/opt/ngrokd/bin" });
      assert.match(text, /: \/opt\/ngrokd\/bin\/ngrokctl list/);
    },
    async "trust fetch sends its request"(_stage, run) {
      assert.doesNotMatch((await run(["trust", "fetch"]))[1], /Requires net access/);
    },
    async "config edit opens the editor"(stage, run) {
      const line = `# edited ${crypto.randomUUID()}\n`;
      await run(["config", "edit"], { EDITOR: `sh -c 'echo "${line.trim()}" >> "$1"' editor` });
      assert.ok((await Deno.readTextFile(stage.configPath)).endsWith(line));
    },
    async "config edit checks the file"(_stage, run) {
      const edited = await run(["config", "edit"], { EDITOR: `sh -c 'echo "# edited" >> "$1"' editor` });
      assert.deepEqual(edited, [0, "✓ /etc/ngrokd/config.yml is valid\n"]);
    },
  },
};

/** Demands that `status` works while one of the two sockets is not there. */
async function statusWithout(socket: string, run: Ctl): Promise<void> {
  await Deno.rename(socket, `${socket}.away`);
  try {
    assert.equal((await run(["status"]))[0], 0);
  } finally {
    await Deno.rename(`${socket}.away`, socket);
  }
}

/** All setups, by name. */
export const SETUPS = { local, container, operator, defaults, proxied, exposed, virtual, ctl } as const;

/** The result of the scenarios of a setup. */
export interface Outcome {
  /** The names of the scenarios that failed. */
  readonly failed: string[];
  /** The exit code of a daemon that ended by itself. */
  readonly exitCode?: number | undefined;
  /** All that a user can read: the log and `status`, or what ngrokctl printed. */
  readonly shown: string;
}

/** The entries of the permission sets that a setup needs. */
export function entriesOf({ program, added = [] }: Setup): string[] {
  return entriesOfSets([program, ...added]);
}

/** The cloud and the configuration of a setup; a machine has room for one setup at a time. */
export async function openSetup(setup: Setup): Promise<Stage> {
  const stage = await Stage.open({ shipped: true });
  const { cloud } = stage;
  cloud.setRateLimit(Infinity);
  for (const url of setup.endpoints) cloud.addEndpoint({ url, backend: "echo" });
  if (setup.operatorIngress !== undefined) {
    cloud.switches.ingressEndpoint = `${setup.operatorIngress}:${cloud.ingressPort}`;
  }
  const net = [`subnet: ${setup.subnet ?? "127.120.0.0/16"}`, ...setup.net ?? []];
  const lines = [
    ...setup.config(stage),
    `server: { health_port: ${stage.healthPort} }`,
    `net: { ${net.join(", ")} }`,
    "bound_endpoints: { poll_interval: 600 }",
  ];
  await Deno.writeTextFile(stage.configPath, `${lines.join("\n")}\n`);
  return stage;
}

/** Starts a daemon and waits for its first round; gives the exit code if it ends. */
export async function start(
  stage: Stage,
  setup: Setup,
  options: RunOptions = {},
): Promise<number | undefined> {
  const flags = flagsOf(entriesOf(setup.program === "ngrokd" ? setup : local));
  stage.startDaemon({
    flags,
    environment: setup.environment(stage),
    prelude: setup.prelude ?? "true",
    ...options,
  });
  let exitCode: number | undefined;
  void stage.daemonEnded.then((code) => exitCode = code);
  await stage.until(
    "the first round",
    async () => exitCode !== undefined || await isThroughFirstRound(stage, setup),
  );
  return exitCode;
}

/**
 * Runs all scenarios of a setup with these permission flags. A daemon under test is started for it,
 * and stopped.
 */
export async function runScenarios(
  stage: Stage,
  options: { setup: Setup; flags: readonly string[] },
): Promise<Outcome> {
  const { setup, flags } = options;
  const printed: string[] = [];
  const ctl: Ctl = async (args, environment = {}) => {
    const terminal = args[0] === "config";
    const { code, stdout, stderr } = await stage.ctl(args, "", { flags, environment, terminal });
    printed.push(`${stdout}${stderr}(${code})`);
    return [code, stdout + stderr];
  };
  const isDaemon = setup.program === "ngrokd";
  if (isDaemon) await clean(stage, setup);
  const exitCode = isDaemon ? await start(stage, setup, { flags }) : undefined;
  const failed: string[] = [];
  for (const [name, scenario] of Object.entries(setup.scenarios)) {
    await scenario(stage, ctl).catch(() => failed.push(name));
  }
  if (!isDaemon) return { failed, shown: printed.join("\n") };
  const status = await stage.askStatus().catch(() => undefined);
  const shown = [...stage.log, JSON.stringify(status)].join("\n");
  await stage.stopDaemon();
  return { failed, exitCode, shown };
}

/**
 * True if the daemon has done all that it can do at first: it has the whole list, or has reported
 * why not.
 */
async function isThroughFirstRound(stage: Stage, { endpoints, dns }: Setup): Promise<boolean> {
  const { api, state_error, dns: { resolver } } = await stage.askStatus();
  if (api.state === "never") return false;
  if (api.state !== "ok" || state_error !== null) return true;
  if (dns && resolver.driver === "none" && resolver.reason === null) return false;
  return (await stage.askList()).length === endpoints.length;
}

/** Restores /etc and /run to their state before any daemon. */
export async function clean(stage: Stage, { nameservers = [PROVIDER] }: Setup): Promise<void> {
  const { etc, hostsPath, cloud } = stage;
  stage.log.length = 0;
  await removeAll("/run");
  await removeAll(etc, "config.yml");
  await Deno.writeTextFile(`${etc}/ngrok_api_key`, `${cloud.apiKey}\n`, { mode: 0o600 });
  await Deno.mkdir("/etc/ssl/certs/ngrok", { recursive: true });
  await Deno.writeTextFile("/etc/ssl/certs/ngrok/ca.pem", cloud.caPem);
  await Deno.writeTextFile("/etc/group", `root:x:0:\nngrokd:x:${GROUP_ID}:\n`);
  await writeOriginal(hostsPath, ORIGINAL_HOSTS, HOSTS_TEXT);
  const text = nameservers.map((server) => `nameserver ${server}\n`).join("");
  await writeOriginal(RESOLV_CONF, ORIGINAL_RESOLV_CONF, text);
}

/** Writes a new file. A second link to it keeps its inode from being used again. */
async function writeOriginal(path: string, link: string, text: string): Promise<void> {
  for (const old of [path, link]) await Deno.remove(old).catch(() => {});
  await Deno.writeTextFile(path, text);
  await Deno.link(path, link);
}

/** True if the file is not the one that `clean` wrote. */
async function isReplaced(path: string, link: string): Promise<boolean> {
  return (await Deno.stat(path)).ino !== (await Deno.stat(link)).ino;
}

async function removeAll(directory: string, except?: string): Promise<void> {
  for await (const { name } of Deno.readDir(directory)) {
    if (name !== except) await Deno.remove(`${directory}/${name}`, { recursive: true });
  }
}

async function endpointOf(stage: Stage, hostname: string): Promise<EndpointReport> {
  const row = (await stage.askList()).find((report) => new URL(report.url).hostname === hostname);
  assert.ok(row, `${hostname} is listed`);
  return row;
}

/** Demands that db.myapp answers, and that status reports the ingress as working. */
async function carriesConnections(stage: Stage): Promise<void> {
  const { listen_address } = await endpointOf(stage, "db.myapp");
  await echoOnce(listen_address, new TextEncoder().encode("there and back"));
  assert.equal((await stage.askStatus()).ingress.state, "ok");
}
