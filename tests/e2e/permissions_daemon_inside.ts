// Run by permissions_daemon_test.ts on an /etc and /run of its own. PART, "0/2", says which of the rows.
import assert from "node:assert/strict";
import { entriesOf, flagsOf, flagsWithout, shippedSet } from "./permission_entries.ts";
import { openWorld, type Outcome, play, WORLDS } from "./permission_worlds.ts";

/** What is lost with one entry of the set. */
interface Row {
  readonly world: keyof typeof WORLDS;
  /** The scenario that the entry is there for. */
  readonly scenario: string;
  /** The scenarios of that world that fail with it; "all" if the daemon does not even start. */
  readonly also?: "all" | readonly string[];
  /** What the user reads then. */
  readonly shows: RegExp;
}

const OF_ENDPOINTS = [
  "an endpoint has an address of its own",
  "an endpoint listens on an interface by name",
  "an endpoint answers through the ingress at localhost",
  "names stand in /etc/hosts",
  "/etc/hosts is replaced as a whole",
  "this machine asks ngrokd for names, by /etc/resolv.conf",
  "/etc/resolv.conf is replaced as a whole",
];

const TABLE: Readonly<Record<string, Row>> = {
  "--allow-net=0.0.0.0/0": {
    world: "home",
    scenario: "an endpoint has an address of its own",
    also: "all",
    shows: /server\.health_address: the permission set does not allow "127\.0\.0\.1"/,
  },
  "--allow-net=localhost": {
    world: "home",
    scenario: "an endpoint answers through the ingress at localhost",
    also: "all",
    shows: /ingressEndpoint: the permission set does not allow "localhost:/,
  },
  "--allow-net=api.ngrok.com": {
    world: "defaults",
    scenario: "the default API is asked",
    also: "all",
    shows: /api\.url: the permission set does not allow "https:\/\/api\.ngrok\.com"/,
  },
  "--allow-net=kubernetes-binding-ingress.ngrok.io": {
    world: "container",
    scenario: "an endpoint answers through the ingress by its name",
    also: "all",
    shows: /ingressEndpoint: the permission set does not allow "kubernetes-binding-ingress\.ngrok\.io:/,
  },
  "--allow-net=connect.ngrok-endpoints.com": {
    world: "operator",
    scenario: "an endpoint answers through the ingress that the cloud names",
    also: ["the name of that ingress is refused"],
    shows: /"ingress_endpoint":"kubernetes-binding-ingress\.ngrok\.io:443"/,
  },
  "--allow-net=unix:/run/ngrokd/ngrokd.sock": {
    world: "home",
    scenario: "the control socket answers",
    also: "all",
    shows: /server\.socket_path: the permission set does not allow "\/run\/ngrokd\/ngrokd\.sock"/,
  },
  "--allow-read=/etc/ngrokd": {
    world: "home",
    scenario: "the configuration file is read",
    also: "all",
    shows: /Cannot read \/etc\/ngrokd\/config\.yml: the permission set does not allow it/,
  },
  "--allow-read=/run/ngrokd": {
    world: "home",
    scenario: "the control socket answers",
    also: "all",
    shows: /server\.socket_path: the permission set .* --allow-read=\/run\/ngrokd/,
  },
  "--allow-read=/etc/hosts": {
    world: "home",
    scenario: "names stand in /etc/hosts",
    also: ["/etc/hosts is replaced as a whole"],
    shows: /"names":\{[^}]*Cannot read \/etc\/hosts: the permission set does not allow it/,
  },
  "--allow-read=/etc/hosts.ngrokd.tmp": {
    world: "home",
    scenario: "/etc/hosts is replaced as a whole",
    shows: /\/etc\/hosts cannot be replaced as a whole: it is written where it stands/,
  },
  "--allow-read=/etc/resolv.conf": {
    world: "home",
    scenario: "other names are asked of the server of /etc/resolv.conf",
    also: [
      "this machine asks ngrokd for names, by /etc/resolv.conf",
      "/etc/resolv.conf is replaced as a whole",
    ],
    shows: /"resolver":\{[^}]*Cannot read \/etc\/resolv\.conf: the permission set does not allow it/,
  },
  "--allow-read=/etc/resolv.conf.ngrokd.tmp": {
    world: "home",
    scenario: "/etc/resolv.conf is replaced as a whole",
    shows: /\/etc\/resolv\.conf cannot be replaced as a whole: it is written where it stands/,
  },
  "--allow-read=/run/systemd/resolve/resolv.conf": {
    world: "virtual",
    scenario: "other names are asked of the server of systemd-resolved",
    shows: /Cannot read \/run\/systemd\/resolve\/resolv\.conf: the permission set does not allow it/,
  },
  "--allow-read=/etc/group": {
    world: "home",
    scenario: "the group ngrokd may open the socket",
    also: "all",
    shows: /Requires read access to "\/etc\/group"/,
  },
  "--allow-read=/etc/ssl/certs/ngrok": {
    world: "home",
    scenario: "an endpoint answers through the ingress at localhost",
    shows: /Cannot list \/etc\/ssl\/certs\/ngrok: the permission set does not allow it/,
  },
  "--allow-read=/run/secrets": {
    world: "container",
    scenario: "the key in a file registers",
    also: "all",
    shows:
      /NGROK_API_KEY_FILE: Cannot read \/run\/secrets\/ngrok_api_key: the permission set does not allow it/,
  },
  "--allow-write=/etc/ngrokd": {
    world: "home",
    scenario: "key and certificate are kept",
    also: "all",
    shows: /server\.client_key: the permission set does not allow "\/etc\/ngrokd\/tls\.key"/,
  },
  "--allow-write=/run/ngrokd": {
    world: "home",
    scenario: "the control socket answers",
    also: "all",
    shows: /server\.socket_path: the permission set .* --allow-write=\/run\/ngrokd/,
  },
  "--allow-write=/etc/hosts": {
    world: "home",
    scenario: "names stand in /etc/hosts",
    also: ["/etc/hosts is replaced as a whole"],
    shows: /Names are not published: the permission set does not allow to write \/etc\/hosts/,
  },
  "--allow-write=/etc/hosts.ngrokd.tmp": {
    world: "home",
    scenario: "/etc/hosts is replaced as a whole",
    shows: /\/etc\/hosts cannot be replaced as a whole: it is written where it stands/,
  },
  "--allow-write=/etc/resolv.conf": {
    world: "home",
    scenario: "this machine asks ngrokd for names, by /etc/resolv.conf",
    also: ["/etc/resolv.conf is replaced as a whole"],
    shows: /"resolver":\{[^}]*Cannot write \/etc\/resolv\.conf: the permission set does not allow it/,
  },
  "--allow-write=/etc/resolv.conf.ngrokd.tmp": {
    world: "home",
    scenario: "/etc/resolv.conf is replaced as a whole",
    shows: /\/etc\/resolv\.conf cannot be replaced as a whole: it is written where it stands/,
  },
  "--allow-run=/usr/bin/resolvectl": {
    world: "virtual",
    scenario: "systemd-resolved asks ngrokd for names below a wildcard",
    shows: /"resolver":\{[^}]*Requires run access to \\?"\/usr\/bin\/resolvectl/,
  },
  "--allow-run=/sbin/ip": {
    world: "virtual",
    scenario: "the default subnet is on an interface of this machine",
    also: ["systemd-resolved asks ngrokd for names below a wildcard"],
    shows: /Failed to create virtual network interface: .*Requires run access to "\/sbin\/ip"/,
  },
  "--allow-env=NGROK_API_KEY": {
    world: "home",
    scenario: "the key in NGROK_API_KEY registers",
    also: ["key and certificate are kept", ...OF_ENDPOINTS, "the name of this machine is refused"],
    shows: /Waiting for an API key: run ngrokctl set-api-key/,
  },
  "--allow-env=NGROK_API_KEY_FILE": {
    world: "container",
    scenario: "the key in a file registers",
    also: [
      "an endpoint answers through the ingress by its name",
      "names stand in the hosts file that the environment names",
    ],
    shows: /Waiting for an API key: run ngrokctl set-api-key/,
  },
  "--allow-env=NGROKD_HOSTS_PATH": {
    world: "container",
    scenario: "names stand in the hosts file that the environment names",
    shows: /Names are published in \/etc\/hosts/,
  },
  "--allow-env=HTTPS_PROXY": {
    world: "proxied",
    scenario: "HTTPS_PROXY is read",
    shows: /"proxy":\{"api":\{"url":"http:\/\/127\.0\.0\.2:9","source":"https_proxy"\}/,
  },
  "--allow-env=https_proxy": {
    world: "proxied",
    scenario: "https_proxy is read",
    shows: /"notes":\["ALL_PROXY is not used: HTTPS_PROXY goes before it"/,
  },
  "--allow-env=ALL_PROXY": {
    world: "proxied",
    scenario: "ALL_PROXY is read",
    shows: /HTTPS_PROXY goes before it","all_proxy is not used: HTTPS_PROXY goes before it"/,
  },
  "--allow-env=all_proxy": {
    world: "proxied",
    scenario: "all_proxy is read",
    shows:
      /"ALL_PROXY is not used: HTTPS_PROXY goes before it","no_proxy is not used: NO_PROXY goes before it"/,
  },
  "--allow-env=NO_PROXY": {
    world: "proxied",
    scenario: "NO_PROXY is read",
    shows: /HTTPS_PROXY is not used: no_proxy holds \\"\.ngrok\.com\\""/,
  },
  "--allow-env=no_proxy": {
    world: "proxied",
    scenario: "no_proxy is read",
    also: ["NO_PROXY is read"],
    shows: /"all_proxy is not used: HTTPS_PROXY goes before it"\]/,
  },
  // These two are no grants: they read as unset. Without that, YAML cannot be read at all.
  "--ignore-env=LOG_TOKENS": {
    world: "home",
    scenario: "the configuration file is read",
    also: "all",
    shows: /Config validation failed/,
  },
  "--ignore-env=LOG_STREAM": {
    world: "home",
    scenario: "the configuration file is read",
    also: "all",
    shows: /Config validation failed/,
  },
  "--allow-sys=networkInterfaces": {
    world: "home",
    scenario: "an endpoint listens on an interface by name",
    also: "all",
    shows: /Requires sys access to "networkInterfaces"/,
  },
  "--allow-sys=hostname": {
    world: "home",
    scenario: "the name of this machine is refused",
    also: OF_ENDPOINTS,
    shows: /Cannot finish a round: Requires sys access to "hostname"/,
  },
};

/** What cannot be shown on Linux, and why. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  "--allow-read=/etc/resolver": "only macOS has such a directory (resolver(5))",
  "--allow-write=/etc/resolver": "only macOS has such a directory (resolver(5))",
};

const SET = shippedSet("ngrokd");
const ENTRIES = entriesOf(SET);

Deno.test("every entry of the set ngrokd has a scenario that it is there for", () => {
  assert.deepEqual([...Object.keys(TABLE), ...Object.keys(ELSEWHERE)].sort(), [...ENTRIES].sort());
});

Deno.test("ngrokd does all with its set, and loses the named scenario with each entry that is taken away", async () => {
  const [part, parts] = Deno.env.get("PART")!.split("/").map(Number);
  const problems: string[] = [];
  for (const [name, world] of Object.entries(WORLDS)) {
    const rows = Object.entries(TABLE).filter((row) => row[1].world === name);
    const mine = [undefined, ...rows].filter((_, index) => index % parts! === part);
    await using stage = await openWorld(world);
    for (const [entry, row] of mine.map((each) => each ?? [])) {
      const flags = entry === undefined ? flagsOf(ENTRIES) : flagsWithout(entry, SET);
      const problem = judge(await play(stage, { world, flags }), row, Object.keys(world.scenarios));
      if (problem !== undefined) problems.push(`${name}, ${entry ?? "the whole set"}: ${problem}`);
    }
  }
  assert.deepEqual(problems, []);
});

/** What is not as the table says; without a row nothing may fail. */
function judge(outcome: Outcome, row: Row | undefined, scenarios: readonly string[]): string | undefined {
  const { failed, exitCode, shown } = outcome;
  const { scenario, also = [], shows } = row ?? { shows: /ngrokd .* is running/ };
  const lost = also === "all" ? scenarios : [...scenario === undefined ? [] : [scenario], ...also];
  const wanted = [...lost].sort().join("; ");
  if (scenario !== undefined && !scenarios.includes(scenario)) return `no scenario is named "${scenario}"`;
  if ((also === "all") !== (exitCode === 1)) return `the exit code is ${exitCode}\n${shown}`;
  if ([...failed].sort().join("; ") !== wanted) return `lost are "${failed.join("; ")}"\n${shown}`;
  return shows.test(shown) ? undefined : `nobody is told why\n${shown}`;
}
