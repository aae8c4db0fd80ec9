import assert from "node:assert/strict";
import FakeTimers from "@sinonjs/fake-timers";
import { runSteps, type Step, type StepResult } from "../../scripts/ok.ts";

const GOOD: StepResult = { success: true, output: "output" };

function step(name: string): Step {
  return { name, args: [] };
}

interface Run {
  readonly success: boolean;
  readonly lines: readonly string[];
  readonly started: readonly string[];
  readonly mostAtOnce: number;
}

/** Runs the groups in faked time; each step takes the milliseconds given for it. */
async function runFaked(
  groups: Step[][],
  times: Record<string, number>,
  results: Record<string, StepResult> = {},
): Promise<Run> {
  const clock = FakeTimers.install();
  try {
    const started: string[] = [];
    let [open, mostAtOnce, printed] = [0, 0, ""];
    const running = runSteps(groups, {
      limitMs: 120_000,
      print: (text) => printed += text,
      async run({ name }) {
        started.push(name);
        mostAtOnce = Math.max(mostAtOnce, ++open);
        await new Promise((resolve) => setTimeout(resolve, times[name]));
        open--;
        return results[name] ?? GOOD;
      },
    });
    await clock.runAllAsync();
    return { success: await running, lines: printed.trimEnd().split("\n"), started, mostAtOnce };
  } finally {
    clock.uninstall();
  }
}

Deno.test("runSteps() prints a line with the seconds of each step, and no output of a good one", async () => {
  const { success, lines } = await runFaked([[step("lint"), step("types")], [step("tests")]], {
    lint: 500,
    types: 2000,
    tests: 61_200,
  });
  assert.equal(success, true);
  assert.deepEqual(lines, [
    "ok      lint        0.5 s",
    "ok      types       2.0 s",
    "ok      tests      61.2 s",
  ]);
});

Deno.test("runSteps() runs two steps of a group at a time, and the next group after them", async () => {
  const groups = [[step("a"), step("b"), step("c")], [step("tests")]];
  const { started, mostAtOnce } = await runFaked(groups, { a: 30, b: 10, c: 10, tests: 10 });
  assert.deepEqual(started, ["a", "b", "c", "tests"]);
  assert.equal(mostAtOnce, 2);
});

Deno.test("runSteps() prints the output of a failed step, and starts no further group", async () => {
  const groups = [[step("a"), step("b"), step("c")], [step("tests")]];
  const failed = { success: false, output: "line 3: wrong\n" };
  const { success, started, lines } = await runFaked(groups, { a: 10, b: 20, c: 30 }, { a: failed });
  assert.equal(success, false);
  assert.deepEqual(started, ["a", "b", "c"]);
  assert.deepEqual(lines.slice(0, 2), ["FAILED  a           0.0 s", "line 3: wrong"]);
});

Deno.test("runSteps() fails after its time limit, and names the slowest step", async () => {
  const { success, lines } = await runFaked([[step("a")], [step("tests")]], { a: 20_001, tests: 100_000 });
  assert.equal(success, false);
  assert.equal(lines.at(-1), "FAILED  120.0 s in all, 120.0 s at most; the slowest step is tests");
});

Deno.test("runSteps() accepts exactly the time limit", async () => {
  const { success } = await runFaked([[step("a")], [step("tests")]], { a: 20_000, tests: 100_000 });
  assert.equal(success, true);
});
