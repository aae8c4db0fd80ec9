import assert from "node:assert/strict";
import { echoOnce, parseTarget } from "../long/load.ts";
import { Stage } from "../../sim/stage.ts";
import { PROXY_VARIABLES } from "../../src/config/proxy/proxy_for.ts";
import type { EndpointReport } from "../../src/model/report.ts";

/** Surroundings of a daemon that runs as shipped, on the default paths of a machine of its own, and what a user can see happen there. */
export interface World {
  /** Lines of the configuration, beside those that all worlds have. */
  readonly config: (stage: Stage) => readonly string[];
  /** Lines of the `net:` section. */
  readonly net?: readonly string[];
  /** @default One of 127.0.0.0/8, for which no interface is needed */
  readonly subnet?: string;
  readonly environment: (stage: Stage) => Record<string, string>;
  /** Shell that runs before the daemon. */
  readonly prelude?: string;
  /** The servers of resolv.conf. @default {[PROVIDER]} */
  readonly nameservers?: readonly string[];
  /** Whether this machine has to ask ngrokd for a name. */
  readonly dns?: true;
  /** What the cloud names as the ingress of an operator, but for the port. */
  readonly operatorIngress?: string;
  /** URLs; an echo service is behind each. */
  readonly endpoints: readonly string[];
  /** Each by its name; it fails by throwing. */
  readonly scenarios: Readonly<Record<string, (stage: Stage) => Promise<void>>>;
}

/** How the scenarios of a world went. */
export interface Outcome {
  /** The names of those that failed, as they stand in the world. */
  readonly failed: string[];
  /** The exit code of a daemon that ended by itself. */
  readonly exitCode: number | undefined;
  /** What a user can read of it: the log, and `status` if the daemon answers. */
  readonly shown: string;
}

const MACHINE = "Audit-Box";
const GROUP_ID = 47_108;
const CLOUD_NAMES = ["api.ngrok.com", "kubernetes-binding-ingress.ngrok.io", "connect.ngrok-endpoints.com"];

const KEPT_HOSTS = "/etc/hosts.before";
const RESOLV_CONF = "/etc/resolv.conf";
const KEPT_RESOLV_CONF = "/etc/resolv.conf.before";

/** The DNS server of this machine. */
const PROVIDER = "192.0.2.53";
/** What systemd-resolved asks, and where it listens itself. */
const UPLINK = "192.0.2.54";
const STUB = "127.0.0.53";

/** The hosts file before the daemon writes it: the cloud's names lead to this machine. */
const HOSTS_TEXT = ["localhost", ...CLOUD_NAMES].map((name) => `127.0.0.1\t${name}\n`).join("");

/** Everything with the simulated cloud at addresses of this machine. */
const home: World = {
  config: ({ cloud }) => [
    `api: { url: "${cloud.apiUrl}" }`,
    `ingressEndpoint: localhost:${cloud.ingressPort}`,
    "dns: { enabled: true, manage_resolv_conf: true }",
  ],
  net: ["overrides: { lan.myapp: lo }"],
  environment: ({ cloud }) => ({ NGROK_API_KEY: cloud.apiKey }),
  prelude: [
    `install -d -m 2750 -g ${GROUP_ID} /run/ngrokd`,
    `hostname ${MACHINE}`,
  ].join("; "),
  dns: true,
  endpoints: ["tcp://db.myapp:5432", "tcp://lan.myapp:5433", `tcp://${MACHINE.toLowerCase()}:5434`],
  scenarios: {
    async "the configuration file is read"(stage) {
      const { config, api } = await stage.askStatus();
      assert.deepEqual([config.state, api.url], ["ok", stage.cloud.apiUrl]);
    },
    async "the control socket answers"(stage) {
      assert.match(String(await stage.ask("version")), /^[0-9.]+$/);
    },
    async "the group ngrokd may open the socket"(stage) {
      const { gid, mode } = await Deno.stat(stage.socketPath);
      assert.deepEqual([gid, mode! & 0o777], [GROUP_ID, 0o660]);
    },
    async "the key in NGROK_API_KEY registers"(stage) {
      const { registered, api } = await stage.askStatus();
      assert.deepEqual([registered, api.key.source], [true, "environment"]);
    },
    async "key and certificate are kept"(stage) {
      assert.match(await Deno.readTextFile(`${stage.etc}/tls.key`), /PRIVATE KEY/);
      assert.match(await Deno.readTextFile(`${stage.etc}/tls.crt`), /CERTIFICATE/);
    },
    async "an endpoint has an address of its own"(stage) {
      const { ip, listen_address } = await endpointOf(stage, "db.myapp");
      assert.match(ip, /^127\.120\./);
      (await Deno.connect(parseTarget(listen_address))).close();
    },
    async "an endpoint listens on an interface by name"(stage) {
      assert.equal((await endpointOf(stage, "lan.myapp")).ip, "127.0.0.1");
    },
    async "an endpoint answers through the ingress at localhost"(stage) {
      await answers(stage, "db.myapp");
    },
    async "names stand in /etc/hosts"(stage) {
      const { ip } = await endpointOf(stage, "db.myapp");
      assert.ok((await Deno.readTextFile(stage.hostsPath)).includes(`${ip}\tdb.myapp\n`));
    },
    async "/etc/hosts is replaced as a whole"(stage) {
      assert.ok(await isReplaced(stage.hostsPath, KEPT_HOSTS));
    },
    async "this machine asks ngrokd for names, by /etc/resolv.conf"() {
      assert.match(await Deno.readTextFile(RESOLV_CONF), /^# ngrokd managed.*\nnameserver 127\./);
    },
    async "/etc/resolv.conf is replaced as a whole"() {
      assert.ok(await isReplaced(RESOLV_CONF, KEPT_RESOLV_CONF));
    },
    async "other names are asked of the server of /etc/resolv.conf"(stage) {
      assert.deepEqual((await stage.askStatus()).dns.upstreams, [`${PROVIDER}:53`]);
    },
    async "the name of this machine is refused"(stage) {
      const { state, reason } = await endpointOf(stage, MACHINE.toLowerCase());
      assert.deepEqual([state, /name of this machine/.test(reason)], ["refused", true]);
    },
  },
};

/** The ingress by ngrok's own name, and the key as a container gets it. */
const container: World = {
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
    async "the key in a file registers"(stage) {
      const { registered, api } = await stage.askStatus();
      assert.deepEqual([registered, api.key.source], [true, "file"]);
    },
    async "an endpoint answers through the ingress by its name"(stage) {
      await answers(stage, "db.myapp");
    },
    async "names stand in the hosts file that the environment names"(stage) {
      const { ip } = await endpointOf(stage, "db.myapp");
      assert.ok((await Deno.readTextFile(`${stage.etc}/hosts`)).includes(`${ip}\tdb.myapp\n`));
    },
  },
};

/** The ingress that the cloud names for the operator. */
const operator: World = {
  config: ({ cloud }) => [`api: { url: "${cloud.apiUrl}" }`],
  environment: ({ cloud }) => ({ NGROK_API_KEY: cloud.apiKey }),
  operatorIngress: "connect.ngrok-endpoints.com",
  endpoints: ["tcp://db.myapp:5432", "tcp://connect.ngrok-endpoints.com:5433"],
  scenarios: {
    async "an endpoint answers through the ingress that the cloud names"(stage) {
      await answers(stage, "db.myapp");
    },
    async "the name of that ingress is refused"(stage) {
      assert.equal((await endpointOf(stage, "connect.ngrok-endpoints.com")).state, "refused");
    },
  },
};

/** No configuration to speak of. Nothing of ours stands at https://api.ngrok.com, which leads to this machine here. */
const defaults: World = {
  config: () => [],
  environment: ({ cloud }) => ({ NGROK_API_KEY: cloud.apiKey }),
  endpoints: [],
  scenarios: {
    async "the default API is asked"(stage) {
      const { api } = await stage.askStatus();
      assert.deepEqual([api.url, api.state], ["https://api.ngrok.com", "unreachable"]);
    },
  },
};

/** Every variable that names a proxy, or takes a host out of one. Nothing listens there. */
const proxied: World = {
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
  scenarios: Object.fromEntries(PROXY_VARIABLES.map((name) => [`${name} is read`, async (stage) => {
    const { api, notes } = (await stage.askStatus()).proxy;
    const texts = [...api === null ? [] : [api.source], ...notes];
    assert.ok(texts.some((text) => text.split(/\W/).includes(name)), texts.join("; "));
  }])),
};

/** The default subnet, and systemd-resolved. */
const virtual: World = {
  config: ({ cloud }) => [`api: { url: "${cloud.apiUrl}" }`],
  subnet: "10.107.0.0/16",
  environment: ({ cloud }) => ({ NGROK_API_KEY: cloud.apiKey }),
  prelude: `mkdir -p /run/systemd/resolve; echo nameserver ${UPLINK} >/run/systemd/resolve/resolv.conf`,
  nameservers: [STUB],
  dns: true,
  endpoints: ["http://*.apps.myapp"],
  scenarios: {
    async "the default subnet is on an interface of this machine"(stage) {
      const { driver, kind, subnet } = (await stage.askStatus()).addresses;
      assert.deepEqual([driver, subnet], ["linux_ip", "10.107.0.0/16"]);
      assert.match(kind!, /^(dummy|bridge|lo)$/);
    },
    async "systemd-resolved asks ngrokd for names below a wildcard"(stage) {
      assert.equal((await stage.askStatus()).dns.resolver.driver, "systemd_resolved");
      assert.equal(await Deno.readTextFile("/run/resolvectl/domain"), "~apps.myapp\n");
      assert.equal(await Deno.readTextFile("/run/resolvectl/dns"), "10.107.0.1\n");
    },
    async "other names are asked of the server of systemd-resolved"(stage) {
      assert.deepEqual((await stage.askStatus()).dns.upstreams, [`${UPLINK}:53`]);
    },
  },
};

/** All worlds, by name. */
export const WORLDS = { home, container, operator, defaults, proxied, virtual } as const;

/** Opens a world; this machine has room for one at a time. */
export async function openWorld(world: World): Promise<Stage> {
  const stage = await Stage.open({ shipped: true });
  const { cloud } = stage;
  cloud.setRateLimit(Infinity);
  for (const url of world.endpoints) cloud.addEndpoint({ url, backend: "echo" });
  if (world.operatorIngress !== undefined) {
    cloud.switches.ingressEndpoint = `${world.operatorIngress}:${cloud.ingressPort}`;
  }
  const net = [`subnet: ${world.subnet ?? "127.120.0.0/16"}`, ...world.net ?? []];
  await Deno.writeTextFile(
    stage.configPath,
    [
      ...world.config(stage),
      `server: { health_port: ${stage.healthPort} }`,
      `net: { ${net.join(", ")} }`,
      "bound_endpoints: { poll_interval: 600 }",
      "",
    ].join("\n"),
  );
  return stage;
}

/** How a daemon is run in a world. */
export interface PlayOptions {
  readonly world: World;
  /** Permission flags in place of the shipped set. */
  readonly flags?: readonly string[];
}

/** Starts a daemon in a world that no daemon has been in, plays all scenarios, and stops it. */
export async function play(stage: Stage, options: PlayOptions): Promise<Outcome> {
  const { world, flags } = options;
  await clean(stage, world);
  const { environment, prelude } = surroundings(stage, world);
  stage.startDaemon({ environment, prelude, ...(flags === undefined ? {} : { flags }) });
  let exitCode: number | undefined;
  const ended = stage.daemonEnded.then((code) => exitCode = code);
  await stage.until(
    "the first round",
    async () => exitCode !== undefined || await isThroughFirstRound(stage, world),
  );
  const failed = await failedScenarios(stage, world);
  const status = await stage.askStatus().catch(() => undefined);
  const outcome = { failed, exitCode, shown: [...stage.log, JSON.stringify(status)].join("\n") };
  await stage.stopDaemon();
  await ended;
  return outcome;
}

/** What a daemon of this world is started with. */
export function surroundings(
  stage: Stage,
  world: World,
): { environment: Record<string, string>; prelude: string } {
  return { environment: world.environment(stage), prelude: world.prelude ?? "true" };
}

/** The names of the scenarios that fail now. */
export async function failedScenarios(stage: Stage, { scenarios }: World): Promise<string[]> {
  const failed: string[] = [];
  for (const [name, scenario] of Object.entries(scenarios)) {
    await scenario(stage).catch(() => failed.push(name));
  }
  return failed;
}

/** Whether the daemon has done what it can do at first: it has a full list, or has said why not. */
export async function isThroughFirstRound(stage: Stage, { endpoints, dns }: World): Promise<boolean> {
  const { api, state_error, dns: { resolver } } = await stage.askStatus();
  if (api.state === "never") return false;
  if (api.state !== "ok" || state_error !== null) return true;
  if (dns && resolver.driver === "none" && resolver.reason === null) return false;
  return (await stage.askList()).length === endpoints.length;
}

/** Makes the world as if no daemon had been there. */
export async function clean(stage: Stage, { nameservers = [PROVIDER] }: World): Promise<void> {
  const { etc, hostsPath, cloud } = stage;
  stage.log.length = 0;
  await removeAll("/run");
  await removeAll(etc, "config.yml");
  await Deno.writeTextFile(`${etc}/ngrok_api_key`, `${cloud.apiKey}\n`, { mode: 0o600 });
  await Deno.mkdir("/etc/ssl/certs/ngrok", { recursive: true });
  await Deno.writeTextFile("/etc/ssl/certs/ngrok/ca.pem", cloud.caPem);
  await Deno.writeTextFile("/etc/group", `root:x:0:\nngrokd:x:${GROUP_ID}:\n`);
  await renew(hostsPath, { kept: KEPT_HOSTS, text: HOSTS_TEXT });
  const text = nameservers.map((server) => `nameserver ${server}\n`).join("");
  await renew(RESOLV_CONF, { kept: KEPT_RESOLV_CONF, text });
}

/** Makes a file anew. A link keeps its inode from being used again. */
async function renew(path: string, { kept, text }: { kept: string; text: string }): Promise<void> {
  for (const old of [path, kept]) await Deno.remove(old).catch(() => {});
  await Deno.writeTextFile(path, text);
  await Deno.link(path, kept);
}

/** Whether it is another file than the one that `clean` wrote. */
async function isReplaced(path: string, kept: string): Promise<boolean> {
  return (await Deno.stat(path)).ino !== (await Deno.stat(kept)).ino;
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

async function answers(stage: Stage, hostname: string): Promise<void> {
  const { listen_address } = await endpointOf(stage, hostname);
  await echoOnce(parseTarget(listen_address), new TextEncoder().encode("there and back"));
  assert.equal((await stage.askStatus()).ingress.state, "ok");
}
