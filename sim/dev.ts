import { checkStage } from "./dev_check.ts";
import { addDevEndpoints, type DevEndpoint, exampleCommand } from "./dev_endpoints.ts";
import { onSignals } from "../src/system/signals.ts";
import { writeErr, writeOut } from "../src/system/terminal.ts";
import { freePort } from "./daemon_harness.ts";
import { Stage, type StageOptions } from "./stage.ts";
import { SimulatedCloud } from "./cloud/cloud.ts";

const USAGE = `Usage: deno task dev [--check] [--plant=backend-down|wrong-trust|lost-endpoint]

Starts the simulated cloud and the daemon in a temporary directory, without any privilege, and shows how to reach each endpoint.

  --check       send one request through every endpoint, print the table, exit 0 only if all are right
  --plant=FAULT break one thing first, to see that --check notices

Example: deno task dev --check
`;

/** Of the networks in 127/8 that a run draws from. */
const FIRST_OCTET = 128;

const FAULTS = ["backend-down", "wrong-trust", "lost-endpoint"];
/** What a shell reports for Ctrl-C: a check that was interrupted has shown nothing. */
const INTERRUPTED = 130;

async function main(args: readonly string[]): Promise<number> {
  const known = args.every((arg) => arg === "--check" || FAULTS.some((fault) => arg === `--plant=${fault}`));
  if (!known) {
    complain(USAGE);
    return args.includes("--help") ? 0 : 2;
  }
  const check = args.includes("--check");
  const plant = args.find((arg) => arg.startsWith("--plant="))?.slice("--plant=".length);
  // From the very start: the daemon is in a process group of its own, and nothing else would end it and remove the directory.
  const stopped = Promise.withResolvers<number>();
  let signals = 0;
  let pid = 0;
  using _signals = onSignals(["SIGINT", "SIGTERM", "SIGHUP"], () => {
    stopped.resolve(check ? INTERRUPTED : 0);
    // The daemon takes a second signal as: do not wait for running connections.
    if (++signals > 1 && pid !== 0) terminate(pid);
  });
  await using stage = await Stage.open(await stageOptions(plant, check));
  if (signals > 0) return await stopped.promise;
  const endpoints = addDevEndpoints(stage.cloud);
  if (plant === "backend-down") stage.cloud.setBackend(endpoints[0]!.id, "down");
  if (plant === "lost-endpoint") stage.cloud.removeEndpoint(endpoints[1]!.id);
  stage.startDaemon();
  pid = stage.pid;
  let finished = false;
  const ended = stage.daemonEnded.then((code): number => {
    if (finished) return 0;
    complain(`${check ? endOfLog(stage) : ""}The daemon ended by itself with exit code ${code}.`);
    return 1;
  });
  const exitCode = await Promise.race([stopped.promise, ended, play()]);
  finished = true;
  return exitCode;

  async function play(): Promise<number> {
    const count = plant === "lost-endpoint" ? endpoints.length - 1 : endpoints.length;
    await stage.until(`${count} endpoints listed`, async () => (await stage.list()).length === count);
    if (check) return await runCheck(stage, endpoints);
    await showEndpoints(stage, endpoints);
    return await stopped.promise;
  }
}

async function stageOptions(plant: string | undefined, quiet: boolean): Promise<StageOptions> {
  // Connections are logged at debug; the polls, which are too, would bury them.
  const onLog = quiet
    ? {}
    : { server: "log_level: debug", onLog: (line: string) => / DEBUG cloud: /.test(line) || say(line) };
  // A network for each run, so that two do not meet. Only Linux has all of 127/8; elsewhere the endpoints share 127.0.0.1 by their ports.
  const subnet = Deno.build.os === "linux"
    ? `net:\n  subnet: 127.${FIRST_OCTET + Math.floor(Math.random() * 100)}.0.0/16`
    : "net:\n  listen_interface: 127.0.0.1";
  const sections = `bound_endpoints:\n  poll_interval: 5\n${subnet}`;
  // Port 53 takes a privilege.
  const dns = `listen: 127.0.0.1:${freePort()}`;
  if (plant !== "wrong-trust") return { ...onLog, sections, dns };
  await using other = await SimulatedCloud.start({ seed: 1 });
  return { ...onLog, sections, dns, ingressCa: other.caPem };
}

async function runCheck(stage: Stage, endpoints: readonly DevEndpoint[]): Promise<number> {
  const { rows, problems } = await checkStage(stage, endpoints);
  printTable(
    ["", "URL", "ADDRESS", "RESULT"],
    rows.map((row) => [row.ok ? "✓" : "❌", row.endpoint.url, row.address, row.text]),
  );
  for (const problem of problems) complain(`Problem: ${problem}`);
  if (problems.length > 0) {
    complain(endOfLog(stage));
    return 1;
  }
  say(`\nAll ${rows.length} endpoints are right.`);
  return 0;
}

async function showEndpoints(stage: Stage, endpoints: readonly DevEndpoint[]): Promise<void> {
  const addresses = new Map((await stage.list()).map((report) => [report.id, report.listen_address]));
  const caPath = `${stage.directory}/application_ca.pem`;
  await Deno.writeTextFile(caPath, stage.cloud.caPem);
  writeOut("\n");
  printTable(
    ["URL", "ADDRESS", "TRY", ""],
    endpoints.map((endpoint) => {
      const address = addresses.get(endpoint.id) ?? "";
      return [
        endpoint.url,
        address,
        exampleCommand(endpoint, { address, caPath }),
        endpoint.note && `(${endpoint.note})`,
      ];
    }),
  );
  const [dns] = (await stage.status()).dns.addresses;
  const below = endpoints.find((endpoint) => endpoint.note === "wildcard");
  say(`\nControl this daemon:  ${stage.directory}/ngrokctl status`);
  say(`Names are in:         ${stage.hostsPath}`);
  if (dns !== undefined && below !== undefined) {
    const [address, port] = dns.address.split(":");
    say(`Below a wildcard:     dig @${address} -p ${port} +short ${below.name}`);
  }
  say(`The cloud's admin:    ${stage.cloud.adminUrl}`);
  say("\nCtrl-C ends it and removes the directory.\n");
}

function endOfLog(stage: Stage): string {
  return `\nThe end of the daemon's log:\n${stage.log.slice(-15).join("\n")}\n`;
}

function terminate(pid: number): void {
  try {
    Deno.kill(pid, "SIGTERM");
  } catch {
    // It has ended.
  }
}

function printTable(head: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]!.length))
  );
  for (const row of [head, ...rows]) {
    say(row.map((cell, column) => cell.padEnd(widths[column]!)).join("  ").trimEnd());
  }
}

function say(line: string): void {
  writeOut(`${line}\n`);
}

function complain(line: string): void {
  writeErr(`${line}\n`);
}

Deno.exit(await main(Deno.args));
