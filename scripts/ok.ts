// Checks what must hold before a commit and prints a line for each step: first the static checks,
// two at a time, then all tests but the slowest. With --static it runs no tests.
import { writeErr, writeOut } from "../src/system/terminal.ts";

const PARALLEL = 2;
const LIMIT_MS = 120_000;
/** A step that runs longer hangs and is killed. */
const STEP_LIMIT_MS = 600_000;

/** A step by name, with the arguments of its `deno`. */
export interface Step {
  readonly name: string;
  readonly args: readonly string[];
}

/** The result of a step. */
export interface StepResult {
  readonly success: boolean;
  /** Standard output and standard error. */
  readonly output: string;
}

const STATIC: readonly Step[] = [
  { name: "types", args: ["check"] },
  { name: "lint", args: ["lint"] },
  { name: "format", args: ["fmt", "--check"] },
  { name: "imports", args: ["run", "-P=scripts", "--no-prompt", "scripts/check_imports.ts"] },
  { name: "citations", args: ["run", "-P=scripts", "--no-prompt", "scripts/check_citations.ts"] },
  { name: "docs", args: ["run", "-P=scripts", "--no-prompt", "scripts/write_docs.ts", "--check"] },
];
/**
 * The slowest test files, and those of real clients, which need many packages. This task leaves
 * them out.
 */
const LONG: readonly string[] = [
  "tests/account/renewal_clock_test.ts",
  "tests/account/renewal_runs_test.ts",
  "tests/account/renewals_test.ts",
  "tests/attack/burn_the_processor_by_tiny_pieces_test.ts",
  "tests/attack/flood_the_daemon_with_api_entries_test.ts",
  "tests/attack/freeze_by_not_reading_the_log_test.ts",
  "tests/attack/kill_the_daemon_by_memory_test.ts",
  "tests/attack/lock_out_the_daemon_by_its_proxy_test.ts",
  "tests/attack/obey_a_hostile_variable_test.ts",
  "tests/attack/open_the_inspector_test.ts",
  "tests/attack/plant_hostile_files_test.ts",
  "tests/attack/point_the_api_url_elsewhere_test.ts",
  "tests/attack/poison_forwarded_dns_test.ts",
  "tests/attack/rebind_a_name_to_an_endpoint_test.ts",
  "tests/attack/stall_dns_by_pipelining_test.ts",
  "tests/attack/stall_the_daemon_with_a_slow_pattern_test.ts",
  "tests/attack/starve_health_test.ts",
  "tests/attack/starve_root_by_half_open_control_requests_test.ts",
  "tests/attack/take_a_name_test.ts",
  "tests/attack/take_a_port_after_the_daemon_test.ts",
  "tests/attack/take_a_port_before_the_daemon_test.ts",
  "tests/attack/take_every_slot_test.ts",
  "tests/attack/take_over_by_the_environment_test.ts",
  "tests/clients/",
  "tests/cloud/pages_test.ts",
  "tests/daemon/api_answers_test.ts",
  "tests/daemon/api_attacks_test.ts",
  "tests/daemon/clock_jump_test.ts",
  "tests/daemon/cloud_faults_test.ts",
  "tests/daemon/damaged_state_test.ts",
  "tests/daemon/hostile_hosts_test.ts",
  "tests/e2e/cloud_faults_test.ts",
  "tests/e2e/crash_renewal_test.ts",
  "tests/e2e/dev_check_test.ts",
  "tests/e2e/dev_stop_test.ts",
  "tests/e2e/ending_signals_test.ts",
  "tests/e2e/failures_test.ts",
  "tests/e2e/flood_test.ts",
  "tests/e2e/hints_test.ts",
  "tests/e2e/man_in_the_middle_test.ts",
  "tests/e2e/permissions/permissions_test.ts",
  "tests/e2e/proxy_test.ts",
  "tests/e2e/refresh_cert_test.ts",
  "tests/e2e/reload_test.ts",
  "tests/e2e/renewal_under_load_test.ts",
  "tests/e2e/shared_listener_faults_test.ts",
  "tests/e2e/soak_test.ts",
  "tests/forward/first_head_memory_test.ts",
  "tests/identity/store_crash_test.ts",
  "tests/names/hosts/hosts_file_readers_test.ts",
  "tests/names/hosts/hosts_file_test.ts",
  "tests/names/hosts/other_tools_test.ts",
  "tests/root/advertise_ips_test.ts",
  "tests/root/crash_test.ts",
  "tests/root/ephemeral_ports_test.ts",
  "tests/root/happy_eyeballs_test.ts",
  "tests/root/linux_ip_test.ts",
  "tests/root/main_show_test.ts",
  "tests/root/network_mode_test.ts",
  "tests/root/stuck_peers_test.ts",
  "tests/root/subnet_watch_test.ts",
  "tests/root/surroundings_test.ts",
];
const REPORT = "build/junit_ok.xml";
const TESTS: Step = {
  name: "tests",
  args: [
    "test",
    "-P=test",
    "--no-prompt",
    "--parallel",
    `--junit-path=${REPORT}`,
    `--ignore=${LONG.join(",")}`,
    "tests",
  ],
};
const FAULTS: Step = {
  name: "faults",
  args: ["run", "-P=scripts", "--no-prompt", "scripts/faults.ts", "--names", REPORT],
};

/**
 * Runs the groups one after the other and the steps of a group side by side. A group with a failure
 * is the last one. Returns true if every step succeeded within the time limit.
 */
export async function runSteps(
  groups: readonly (readonly Step[])[],
  options: RunStepsOptions,
): Promise<boolean> {
  const { run, print, limitMs } = options;
  const start = performance.now();
  const times: { name: string; ms: number }[] = [];
  let success = true;

  async function work(queue: Iterator<Step>): Promise<void> {
    for (let next = queue.next(); !next.done; next = queue.next()) {
      const step = next.value;
      const stepStart = performance.now();
      const result = await run(step);
      const ms = performance.now() - stepStart;
      times.push({ name: step.name, ms });
      print(`${result.success ? "ok    " : "FAILED"}  ${step.name.padEnd(8)} ${seconds(ms).padStart(6)} s\n`);
      if (result.success) continue;
      success = false;
      print(`${result.output.trimEnd()}\n`);
    }
  }

  for (const group of groups) {
    const queue = group.values();
    await Promise.all(Array.from({ length: PARALLEL }, () => work(queue)));
    if (!success) return false;
  }
  const totalMs = performance.now() - start;
  if (totalMs <= limitMs) return true;
  const slowest = times.reduce((a, b) => a.ms >= b.ms ? a : b);
  print(
    `FAILED  ${seconds(totalMs)} s in all, ${
      seconds(limitMs)
    } s at most; the slowest step is ${slowest.name}\n`,
  );
  return false;
}

/** Options of {@linkcode runSteps}. */
export interface RunStepsOptions {
  readonly run: (step: Step) => Promise<StepResult>;
  readonly print: (text: string) => void;
  /** The time limit of the whole run. */
  readonly limitMs: number;
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(1);
}

async function runDeno(step: Step): Promise<StepResult> {
  const signal = AbortSignal.timeout(STEP_LIMIT_MS);
  const command = new Deno.Command("deno", {
    args: [...step.args],
    // As many test files at once as the test task runs.
    env: { DENO_JOBS: "3" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    signal,
  });
  const { success, stdout, stderr } = await command.output();
  const decoder = new TextDecoder();
  const late = signal.aborted ? `Ended after ${seconds(STEP_LIMIT_MS)} s\n` : "";
  return { success, output: decoder.decode(stdout) + decoder.decode(stderr) + late };
}

async function main(): Promise<number> {
  const [option, ...rest] = Deno.args;
  if (rest.length > 0 || (option !== undefined && option !== "--static")) {
    writeErr("Usage: deno task ok, or deno task check for everything but the tests\n");
    return 2;
  }
  const groups = option === "--static" ? [STATIC] : [STATIC, [TESTS], [FAULTS]];
  return await runSteps(groups, { run: runDeno, print: writeOut, limitMs: LIMIT_MS }) ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main());
