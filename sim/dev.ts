import { onSignals } from "../src/system/signals.ts";
import { writeErr, writeOut } from "../src/system/terminal.ts";
import { SimulatedCloud } from "./cloud/cloud.ts";
import { freePort } from "./daemon_harness.ts";
import { checkEndpoints } from "./dev_check.ts";
import { addDevEndpoints, type DevEndpoint, exampleCommand } from "./dev_endpoints.ts";
import { sendSignal } from "./send_signal.ts";
import { Stage, type StageOptions } from "./stage.ts";

const USAGE = `Usage: deno task dev [--verbose] [--check] [--fault=FAULT]

Starts the simulated cloud and ngrokd in a temporary directory, without root
and without an account, and prints a command to reach each endpoint.

  --verbose      show the log of ngrokd
  --check        send one request through every endpoint, print a table and
                 stop; the exit code is 0 if all endpoints work
  --fault=FAULT  break something first, to see that --check notices it:
                 backend-down, wrong-trust or lost-endpoint

Example: deno task dev --check
`;

const FAULTS = ["backend-down", "wrong-trust", "lost-endpoint"];
const OPTIONS = ["--verbose", "--check", ...FAULTS.map((name) => `--fault=${name}`)];
/**
 * The exit code that a shell reports for Ctrl-C, because an interrupted check has shown nothing.
 */
const INTERRUPTED = 130;
const LOG_LINES = 15;

async function main(args: readonly string[]): Promise<number> {
  const isKnown = args.every((arg) => OPTIONS.includes(arg));
  if (!isKnown) {
    writeErr(USAGE);
    return args.includes("--help") ? 0 : 2;
  }
  const isCheck = args.includes("--check");
  const fault = args.find((arg) => arg.startsWith("--fault="))?.slice("--fault=".length);
  // The daemon is in a process group of its own, so signals must be passed on from the start.
  const stopped = Promise.withResolvers<number>();
  let signals = 0;
  let pid = 0;
  let first: Deno.Signal = "SIGTERM";
  using _signals = onSignals(["SIGINT", "SIGTERM", "SIGHUP"], (signal) => {
    signals++;
    // The second signal makes the daemon stop without waiting for running connections.
    if (signals > 1 && pid !== 0) return sendSignal(pid, "SIGTERM");
    // SIGHUP makes the daemon read its configuration again.
    if (signal !== "SIGHUP") first = signal;
    print(`Received ${signal}, stopping. Press Ctrl-C again to close running connections.`);
    stopped.resolve(isCheck ? INTERRUPTED : 0);
  });
  const showsLog = args.includes("--verbose");
  const onLog = (line: string) => {
    // The polls are logged at debug, too, and would hide the connections.
    if (showsLog && !/ DEBUG cloud: /.test(line)) print(line);
  };
  // The check counts the connections to the ingress.
  const probeSeconds = isCheck ? 0 : 10;
  await using stage = await Stage.open({
    ...await stageOptions(fault),
    probeSeconds,
    server: "log_level: debug",
    onLog,
  });
  if (signals > 0) return await stopped.promise;
  const endpoints = addDevEndpoints(stage.cloud);
  if (fault === "backend-down") stage.cloud.setBackend(endpoints[0]!.id, "down");
  if (fault === "lost-endpoint") stage.cloud.removeEndpoint(endpoints[1]!.id);
  stage.startDaemon();
  pid = stage.pid;
  let isFinished = false;
  const ended = stage.daemonEnded.then((code): number => {
    if (isFinished) return 0;
    writeErr(`${showsLog ? "" : endOfLog(stage)}ngrokd ended by itself with exit code ${code}\n`);
    return 1;
  });
  const exitCode = await Promise.race([stopped.promise, ended, run().catch(failed)]);
  isFinished = true;
  await stage.stopDaemon(first);
  return exitCode;

  function failed(error: unknown): number {
    // Ctrl-C also ends the ngrokctl that this process started.
    if (signals > 0) return isCheck ? INTERRUPTED : 0;
    writeErr(`Error: ${error instanceof Error ? error.message : error}\n`);
    return 1;
  }

  async function run(): Promise<number> {
    const count = stage.cloud.endpoints().length;
    // The set `dev` does not allow the control socket, so ngrokctl asks for the list.
    await stage.until(`${count} endpoints listed`, async () => (await stage.list()).length === count);
    if (isCheck) return await runCheck(stage, endpoints);
    await showEndpoints(stage, endpoints);
    return await stopped.promise;
  }
}

async function stageOptions(fault: string | undefined): Promise<StageOptions> {
  // Only Linux has all of 127.0.0.0/8; elsewhere the endpoints share 127.0.0.1 by their ports.
  const net = Deno.build.os === "linux" ? "" : "listen_interface: 127.0.0.1";
  // Port 53 needs a privilege.
  const dns = `listen: 127.0.0.1:${freePort()}`;
  const options = { net, dns, pollSeconds: 5 };
  if (fault !== "wrong-trust") return options;
  await using other = await SimulatedCloud.start();
  return { ...options, ingressCa: other.caPem };
}

async function runCheck(stage: Stage, endpoints: readonly DevEndpoint[]): Promise<number> {
  const { rows, problems } = await checkEndpoints(stage, endpoints);
  const cells = [...Map.groupBy(rows, ({ endpoint }) => endpoint.url)].map(([url, members]) => {
    const shown = members.find(({ ok }) => !ok) ?? members[0]!;
    const { ok, address, text } = shown;
    return [
      ok ? "✓" : "✗",
      url,
      address,
      ok ? `${text}${members.length > 1 ? " by both" : ""}` : "failed",
    ];
  });
  printTable(["", "ENDPOINT", "ADDRESS", "RESULT"], cells);
  if (problems.length === 0) {
    print(`\nAll ${cells.length} endpoints work.`);
    return 0;
  }
  const list = problems.map((problem) => `Problem: ${problem}\n`).join("");
  writeErr(`\n${list}${endOfLog(stage)}`);
  return 1;
}

async function showEndpoints(stage: Stage, endpoints: readonly DevEndpoint[]): Promise<void> {
  const addresses = new Map((await stage.list()).map((report) => [report.id, report.listen_address]));
  const caPath = `${stage.directory}/endpoint_ca.pem`;
  await Deno.writeTextFile(caPath, stage.cloud.caPem);
  // A pool is one endpoint for its users.
  const shown = [...new Map(endpoints.map((each) => [each.url, each])).values()]
    .map((endpoint) => ({ endpoint, address: addresses.get(endpoint.id) ?? "" }));
  print("ngrokd serves these endpoints of the simulated cloud:\n");
  printTable(
    ["ENDPOINT", "ADDRESS", "NOTE"],
    shown.map(({ endpoint, address }) => [endpoint.url, address, endpoint.note]),
  );
  print("\nReach them from another terminal:\n");
  for (const { endpoint, address } of shown) print(`  ${exampleCommand(endpoint, { address, caPath })}`);
  print(`\nngrokctl         ${stage.directory}/ngrokctl status`);
  print(`Hosts file       ${stage.hostsPath}`);
  const [dns] = (await stage.status()).dns.addresses;
  if (dns !== undefined) print(`DNS server       ${dns.address}`);
  print(`Simulated cloud  ${stage.cloud.adminUrl}/`);
  print("\nPress Ctrl-C to stop ngrokd and remove the directory.");
}

function endOfLog(stage: Stage): string {
  return `\nThe end of ngrokd's log:\n${stage.log.slice(-LOG_LINES).join("\n")}\n`;
}

function printTable(head: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]!.length))
  );
  for (const row of [head, ...rows]) {
    print(row.map((cell, column) => cell.padEnd(widths[column]!)).join("  ").trimEnd());
  }
}

function print(line: string): void {
  writeOut(`${line}\n`);
}

Deno.exit(await main(Deno.args));
