import assert from "node:assert/strict";
import { parseArguments } from "../../bench/main.ts";
import { parseMachineSeconds, parseProcessSeconds, readCpu } from "../../bench/cpu_time.ts";
import { processorIn, versionIn } from "../../bench/machine.ts";
import type { ConnectSample, Samples, TransferSample } from "../../bench/measure.ts";
import { renderLoad, renderTable, renderTargets } from "../../bench/render.ts";
import { median, percentile } from "../../bench/statistics.ts";
import { CPU_PER_GB, summarize, type Table, THROUGHPUT } from "../../bench/summary.ts";
import { checkTargets } from "../../bench/targets.ts";
import type { SubjectName } from "../../bench/track.ts";

Deno.test("median() gives the middle value, or the mean of the two in the middle", () => {
  assert.equal(median([9, 1, 5]), 5);
  assert.equal(median([4, 1, 3, 100]), 3.5);
  assert.throws(() => median([]), RangeError);
});

Deno.test("percentile() gives a value that was measured: the nearest rank", () => {
  const values = Array.from({ length: 200 }, (_, index) => 200 - index);
  assert.deepEqual([0, 50, 99, 100].map((percent) => percentile(values, percent)), [1, 100, 198, 200]);
  assert.equal(percentile([7], 99), 7);
});

Deno.test("parseProcessSeconds() adds own and children's times, also behind a name with spaces and parentheses", () => {
  const stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 900 0 0 0 150 25 300 5 20 0 3 0 100 1 2";
  assert.equal(parseProcessSeconds(stat), 4.8);
  assert.throws(() => parseProcessSeconds("42 (a) S 1"), TypeError);
});

Deno.test("parseMachineSeconds() counts neither idle time nor the guests' twice", () => {
  assert.equal(parseMachineSeconds("cpu  100 10 200 99999 88888 1 30 4 55 66"), 3.45);
  assert.throws(() => parseMachineSeconds("cpu0 1 2 3 4 5 6 7 8"), TypeError);
});

Deno.test("readCpu() sees the time that this process uses, and refuses a process that is gone", async () => {
  const before = await readCpu([Deno.pid]);
  const end = performance.now() + 40;
  while (performance.now() < end);
  const after = await readCpu([Deno.pid, Deno.pid]);
  assert.ok(after.processes[0]! - before.processes[0]! >= 0.02);
  assert.ok(after.machine - before.machine >= 0.02);
  assert.equal(after.processes.length, 2);
  await assert.rejects(readCpu([2 ** 22 + 1]), /No such file/);
});

Deno.test("versions and the processor are found in what programs print", () => {
  assert.equal(versionIn("HAProxy version 2.6.12-1+deb12u4 2026/10/17 - https://haproxy.org/"), "2.6.12");
  assert.equal(versionIn("stunnel 5.68 on x86_64-pc-linux-gnu platform"), "5.68");
  assert.equal(versionIn(""), "unknown");
  assert.equal(processorIn("vendor_id\t: X\nmodel name\t: Some CPU @ 2 GHz\nflags\t: a"), "Some CPU @ 2 GHz");
});

Deno.test("parseArguments() takes its three options in any order and nothing else", () => {
  const defaults = { quick: false, assertTargets: false, jsonPath: "bench.json" };
  assert.deepEqual(parseArguments([]), defaults);
  assert.deepEqual(parseArguments(["--json", "a.json", "--quick"]), {
    ...defaults,
    quick: true,
    jsonPath: "a.json",
  });
  assert.deepEqual(parseArguments(["--assert", "--json=b"]), {
    ...defaults,
    assertTargets: true,
    jsonPath: "b",
  });
  for (const wrong of [["--help"], ["--json"], ["--json="], ["quick"]]) {
    assert.equal(parseArguments(wrong), undefined);
  }
});

function transfer(subject: SubjectName, megabytes: number, cpu?: number): TransferSample {
  const cpuSeconds = {
    client: 0.5,
    backend: 0.25,
    others: 0,
    ...(cpu === undefined ? {} : { subject: cpu, farEnd: 1 }),
  };
  return {
    round: 1,
    subject,
    direction: "upload",
    streams: 8,
    bytes: megabytes * 1e6,
    seconds: 2,
    cpuSeconds,
  };
}

function connects(subject: SubjectName, count: number, cpu?: number): ConnectSample {
  const cpuSeconds = cpu === undefined ? {} : { subject: cpu };
  return { round: 1, subject, count, seconds: 2, cpuSeconds, minMs: 1, p50Ms: 2, p99Ms: 3 };
}

const SAMPLES: Samples = {
  transfers: [
    transfer("direct", 4000),
    transfer("ngrokd", 900, 2),
    transfer("stunnel", 1000, 2),
    transfer("ngrokd", 700, 1.4),
    transfer("ngrokd", 800, 1.2),
  ],
  connects: [connects("direct", 1000), connects("ngrokd", 100, 0.2), connects("stunnel", 200, 0.2)],
};

Deno.test("summarize() gives medians by case and subject, and no CPU for the direct path", () => {
  const tables = summarize(SAMPLES);
  assert.deepEqual(tables[0], {
    title: THROUGHPUT,
    rows: [{ label: "upload, 8 streams", values: { direct: 2000, ngrokd: 400, stunnel: 500 } }],
  });
  assert.deepEqual(tables[1], {
    title: CPU_PER_GB,
    rows: [{ label: "upload, 8 streams", values: { ngrokd: 2, stunnel: 2 } }],
  });
  assert.deepEqual(tables[2]!.rows.map(({ label, values }) => [label, values.direct, values.ngrokd]), [
    ["per second", 500, 50],
    ["p50, ms", 2, 2],
    ["p99, ms", 3, 3],
    ["fastest, ms", 1, 1],
    ["CPU, ms each", undefined, 2],
  ]);
});

function withRatios(throughput: number, cpu: number): Table[] {
  const table = (title: string, ngrokd: number): Table => ({
    title,
    rows: [{ label: "upload", values: { ngrokd, stunnel: 100 } }],
  });
  return [table(THROUGHPUT, 100 * throughput), table(CPU_PER_GB, 100 * cpu)];
}

Deno.test("checkTargets() takes 0.8 of stunnel's throughput and 1.3 of its CPU, and nothing worse", () => {
  const met = (tables: Table[]) => checkTargets(tables).map((result) => result.met);
  assert.deepEqual(met(withRatios(0.8, 1.3)), [true, true]);
  assert.deepEqual(met(withRatios(0.79, 1.31)), [false, false]);
});

Deno.test("checkTargets() does not call a target met that could not be measured", () => {
  const values = { ngrokd: 100, haproxy: 1 };
  assert.deepEqual(checkTargets([{ title: THROUGHPUT, rows: [{ label: "upload", values }] }]), [
    { text: "throughput, upload: at least 0.8 × stunnel" },
  ]);
});

Deno.test("the tables show every value and ratio in its column", () => {
  const subjects = ["direct", "ngrokd", "stunnel"] as const;
  assert.equal(
    renderTable(summarize(SAMPLES)[0]!, subjects),
    "Throughput, MB/s (more is better)  direct  ngrokd  stunnel  ngrokd ÷ direct  ngrokd ÷ stunnel\n" +
      "  upload, 8 streams                  2000     400      500             0.20              0.80\n",
  );
  assert.equal(
    renderTable(summarize(SAMPLES)[1]!, subjects).split("\n")[1]!.replaceAll(/ {2,}/g, "|"),
    "|upload, 8 streams|-|2.00|2.00|-|1.00",
  );
  assert.match(
    renderLoad(SAMPLES, subjects),
    /0\.3 \/ 0\.0 \/ 0\.0 \/ 0\.1 \/ 0\.0 +0\.3 \/ 0\.7 \/ 0\.5 \/ 0\.1 \/ 0\.0/,
  );
  assert.doesNotMatch(renderLoad(SAMPLES, subjects), /disturbed/);
  const busy = SAMPLES.transfers.map((sample) => ({
    ...sample,
    cpuSeconds: { ...sample.cpuSeconds, others: 1 },
  }));
  assert.match(renderLoad({ ...SAMPLES, transfers: busy }, subjects), /Other programs kept 0\.5 cores busy/);
  const [, missed, unmeasured] = renderTargets([
    ...checkTargets(withRatios(0.5, 1)).slice(0, 1),
    { text: "x" },
  ]).split("\n");
  assert.match(missed!, /0\.50 +MISSED$/);
  assert.match(unmeasured!, /- +not measured$/);
});
