import assert from "node:assert/strict";
import { echoOnce, parseTarget } from "../../scripts/load.ts";
import { Stage } from "../../scripts/stage.ts";
import type { EndpointReport } from "../../src/model/report.ts";

/** Surroundings of a daemon that runs as shipped, on its default paths, and what a user can see happen there. */
export interface World {
  /** Lines of the configuration, beside those that keep two daemons apart. */
  readonly config: (stage: Stage) => readonly string[];
  /** Lines of the `net:` section. */
  readonly net?: readonly string[];
  readonly environment: (stage: Stage) => Record<string, string>;
  /** Shell that runs in the daemon's mount namespace before it. */
  readonly prelude?: string;
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
  /** What a user can read of it: the log, and `status` if the daemon answers. */
  readonly shown: string;
}

const MACHINE = "Audit-Box";
const GROUP_ID = 47_108;
const CLOUD_NAMES = ["api.ngrok.com", "kubernetes-binding-ingress.ngrok.io", "connect.ngrok-endpoints.com"];

/** The hosts file before the daemon writes it: the cloud's names lead to this machine. */
const HOSTS = ["localhost", ...CLOUD_NAMES].map((name) => `127.0.0.1\t${name}\n`).join("");

/** Everything with the simulated cloud at addresses of this machine. */
const home: World = {
  config: ({ cloud }) => [
    `api: { url: "${cloud.apiUrl}" }`,
    `ingressEndpoint: localhost:${cloud.ingressPort}`,
  ],
  net: ["overrides: { lan.myapp: lo }"],
  environment: ({ cloud }) => ({ NGROK_API_KEY: cloud.apiKey }),
  prelude: [
    `chgrp ${GROUP_ID} /run/ngrokd`,
    "chmod 2750 /run/ngrokd",
    `exec unshare --uts /bin/sh -c 'hostname ${MACHINE}; exec "$@"' sh "$@"`,
  ].join("; "),
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
    async "an endpoint has a listener on an address of its own"(stage) {
      const { ip, listen_address } = await endpointOf(stage, "db.myapp");
      assert.match(ip, /^127\.12[0-9]\./);
      (await Deno.connect(parseTarget(listen_address))).close();
    },
    async "an endpoint listens on an interface that is given by name"(stage) {
      assert.equal((await endpointOf(stage, "lan.myapp")).ip, "127.0.0.1");
    },
    async "an endpoint answers through an ingress named localhost, trusted by a file in /etc/ssl/certs/ngrok"(stage) {
      await answers(stage, "db.myapp");
    },
    async "names stand in /etc/hosts, as NGROKD_HOSTS_PATH says"(stage) {
      const { ip } = await endpointOf(stage, "db.myapp");
      assert.ok((await Deno.readTextFile(stage.hostsPath)).includes(`${ip}\tdb.myapp\n`));
    },
    async "/etc/hosts is replaced as a whole, so that nobody reads half of it"(stage) {
      // Another file than the one that `prepare` wrote, which has a link to keep its inode from being used again.
      const [now, before] = [await Deno.stat(stage.hostsPath), await Deno.stat(keptHosts(stage))];
      assert.notEqual(now.ino, before.ino);
    },
    async "an endpoint with the name of this machine is refused"(stage) {
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
  environment: () => ({ NGROK_API_KEY_FILE: "/run/secrets/ngrok_api_key" }),
  prelude: "mkdir /run/secrets; cp /etc/ngrokd/ngrok_api_key /run/secrets",
  endpoints: ["tcp://db.myapp:5432"],
  scenarios: {
    async "the key in a file of /run/secrets registers"(stage) {
      const { registered, api } = await stage.askStatus();
      assert.deepEqual([registered, api.key.source], [true, "file"]);
    },
    async "an endpoint answers through kubernetes-binding-ingress.ngrok.io"(stage) {
      await answers(stage, "db.myapp");
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
    async "an endpoint answers through connect.ngrok-endpoints.com, which the cloud named"(stage) {
      await answers(stage, "db.myapp");
    },
    async "an endpoint with the name of that ingress is refused"(stage) {
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
    async "the daemon runs with the default API and asks it"(stage) {
      const { api } = await stage.askStatus();
      assert.deepEqual([api.url, api.state], ["https://api.ngrok.com", "unreachable"]);
    },
  },
};

/** All worlds, by name. */
export const WORLDS = { home, container, operator, defaults } as const;

/** Opens a world; worlds that are open at the same time differ in `slot`. */
export async function openWorld(world: World, slot: number): Promise<Stage> {
  const stage = await Stage.open({ shipped: true });
  const { cloud } = stage;
  cloud.setRateLimit(Infinity);
  for (const url of world.endpoints) cloud.addEndpoint({ url, backend: "echo" });
  if (world.operatorIngress !== undefined) {
    cloud.switches.ingressEndpoint = `${world.operatorIngress}:${cloud.ingressPort}`;
  }
  const net = [`subnet: 127.${120 + slot}.0.0/16`, ...world.net ?? []];
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

/** Starts a daemon in a world that no daemon has been in, with these permission flags or with the shipped set, and plays all scenarios. */
export async function play(stage: Stage, world: World, flags?: readonly string[]): Promise<Outcome> {
  await prepare(stage);
  stage.startDaemon({
    ...(flags === undefined ? {} : { flags }),
    environment: world.environment(stage),
    ...(world.prelude === undefined ? {} : { prelude: world.prelude }),
  });
  let ended = false;
  const end = stage.daemonEnded.then(() => ended = true);
  await stage.until("the first round", async () => ended || await isThroughFirstRound(stage, world));
  const failed: string[] = [];
  for (const [name, scenario] of Object.entries(world.scenarios)) {
    await scenario(stage).catch(() => failed.push(name));
  }
  const status = await stage.askStatus().catch(() => undefined);
  await stage.stopDaemon();
  await end;
  return { failed, shown: [...stage.log, JSON.stringify(status)].join("\n") };
}

async function prepare(stage: Stage): Promise<void> {
  const { directory, etc, cloud } = stage;
  const overlay = `${directory}/overlay`;
  stage.log.length = 0;
  for await (const { name } of Deno.readDir(etc)) {
    if (name !== "config.yml") await Deno.remove(`${etc}/${name}`);
  }
  await Deno.writeTextFile(`${etc}/ngrok_api_key`, `${cloud.apiKey}\n`, { mode: 0o600 });
  for (const path of [`${directory}/run/ngrokd.sock`, overlay, keptHosts(stage)]) {
    await Deno.remove(path, { recursive: true }).catch(() => {});
  }
  await Deno.mkdir(`${overlay}/ssl/certs/ngrok`, { recursive: true });
  await Deno.writeTextFile(`${overlay}/ssl/certs/ngrok/ca.pem`, cloud.caPem);
  await Deno.writeTextFile(`${overlay}/group`, `root:x:0:\nngrokd:x:${GROUP_ID}:\n`);
  await Deno.writeTextFile(`${overlay}/hosts`, HOSTS);
  await Deno.link(`${overlay}/hosts`, keptHosts(stage));
}

function keptHosts({ directory }: Stage): string {
  return `${directory}/hosts.before`;
}

async function isThroughFirstRound(stage: Stage, { endpoints }: World): Promise<boolean> {
  const { api, state_error } = await stage.askStatus();
  if (api.state === "never") return false;
  if (api.state !== "ok" || state_error !== null) return true;
  return (await stage.askList()).length === endpoints.length;
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
