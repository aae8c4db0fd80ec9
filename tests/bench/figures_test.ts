import assert from "node:assert/strict";
import { parseArguments } from "../../bench/main.ts";
import { parseMachineSeconds, parseProcessSeconds, readCpu } from "../../bench/cpu_time.ts";
import { processorIn, versionIn } from "../../bench/machine.ts";
import type { ConnectSample, Samples, TransferSample } from "../../bench/measure.ts";
import { renderLoad, renderTable, renderTargets } from "../../bench/render.ts";
import { median, percentile } from "../../bench/statistics.ts";
import {
  CONNECT_MS,
  CPU_PER_GB,
  MEMORY,
  PROXIED,
  summarize,
  type Table,
  THROUGHPUT,
} from "../../bench/summary.ts";
import { goalsOf } from "../../bench/goals.ts";
import { isMet, missedTargets, type Target } from "../../bench/targets.ts";
import type { SubjectName } from "../../bench/track.ts";
import { cpuTimeMs } from "../fakes/cpu_time.ts";

Deno.test("median() returns the middle value, or the mean of the two middle ones", () => {
  assert.equal(median([9, 1, 5]), 5);
  assert.equal(median([4, 1, 3, 100]), 3.5);
  assert.throws(() => median([]), RangeError);
});

Deno.test("percentile() returns the measured value at the nearest rank", () => {
  const values = Array.from({ length: 200 }, (_, index) => 200 - index);
  assert.deepEqual([0, 50, 99, 100].map((percent) => percentile(values, percent)), [1, 100, 198, 200]);
  assert.equal(percentile([7], 99), 7);
});

Deno.test("parseProcessSeconds() adds the times of process and children, after any name", () => {
  const stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 900 0 0 0 150 25 300 5 20 0 3 0 100 1 2";
  assert.equal(parseProcessSeconds(stat), 4.8);
  assert.throws(() => parseProcessSeconds("42 (a) S 1"), TypeError);
});

Deno.test("parseMachineSeconds() leaves out idle time, and counts guest time once", () => {
  assert.equal(parseMachineSeconds("cpu  100 10 200 99999 88888 1 30 4 55 66"), 3.45);
  assert.throws(() => parseMachineSeconds("cpu0 1 2 3 4 5 6 7 8"), TypeError);
});

Deno.test("readCpu() measures the CPU time of a process, and throws if it has ended", async () => {
  const before = await readCpu([Deno.pid]);
  const end = cpuTimeMs() + 60;
  while (cpuTimeMs() < end);
  const after = await readCpu([Deno.pid, Deno.pid]);
  assert.ok(after.processes[0]! - before.processes[0]! >= 0.02);
  assert.ok(after.machine - before.machine >= 0.02);
  assert.equal(after.processes.length, 2);
  await assert.rejects(readCpu([2 ** 22 + 1]), /No such file/);
});

Deno.test("versionIn() and processorIn() read the output of programs", () => {
  assert.equal(versionIn("HAProxy version 2.6.12-1+deb12u4 2026/10/17 - https://haproxy.org/"), "2.6.12");
  assert.equal(versionIn("stunnel 5.68 on x86_64-pc-linux-gnu platform"), "5.68");
  assert.equal(versionIn(""), "unknown");
  assert.equal(processorIn("vendor_id\t: X\nmodel name\t: Some CPU @ 2 GHz\nflags\t: a"), "Some CPU @ 2 GHz");
});

Deno.test("parseArguments() accepts its three options in any order, and nothing else", () => {
  const defaults = { quick: false, assertTargets: false, jsonPath: "bench.json" };
  assert.deepEqual(parseArguments([]), defaults);
  const [quick, full] = [["--json", "a.json", "--quick"], ["--assert", "--json=b"]].map(parseArguments);
  assert.deepEqual(quick, { ...defaults, quick: true, jsonPath: "a.json" });
  assert.deepEqual(full, { ...defaults, assertTargets: true, jsonPath: "b" });
  for (const wrong of [["--help"], ["--json"], ["--json="], ["quick"]]) {
    assert.equal(parseArguments(wrong), undefined);
  }
});

function transfer(subject: SubjectName, megabytes: number, cpu?: number): TransferSample {
  const forwarder = cpu === undefined ? {} : { subject: cpu, farEnd: 1 };
  const cpuSeconds = { client: 0.5, backend: 0.25, others: 0, ...forwarder };
  const load = { direction: "upload", streams: 8, bytes: megabytes * 1e6, seconds: 2 } as const;
  return { round: 1, subject, proxied: false, ...load, cpuSeconds };
}

function connects(subject: SubjectName, count: number, cpu?: number): ConnectSample {
  const cpuSeconds = cpu === undefined ? {} : { subject: cpu };
  return { round: 1, subject, proxied: false, count, seconds: 2, cpuSeconds, minMs: 1, p50Ms: 2, p99Ms: 3 };
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
  memory: [
    { subject: "ngrokd", proxied: false, rssMiB: 80 },
    { subject: "ngrokd", proxied: true, rssMiB: 90 },
  ],
};

Deno.test("summarize() returns medians by case and subject, and no CPU for the direct path", () => {
  const tables = summarize(SAMPLES);
  assert.deepEqual(tables[0], {
    title: THROUGHPUT,
    rows: [{ label: "upload, 8 streams", values: { direct: 2000, ngrokd: 400, stunnel: 500 } }],
  });
  assert.deepEqual(tables[1], {
    title: CPU_PER_GB,
    rows: [{ label: "upload, 8 streams", values: { ngrokd: 2, stunnel: 2 } }],
  });
  const rest = tables.slice(2).flatMap(({ rows }) => rows);
  assert.deepEqual(rest.map(({ label, values }) => [label, values.direct, values.ngrokd]), [
    ["p50, ms", 2, 2],
    ["per second", 500, 50],
    ["p99, ms", 3, 3],
    ["fastest, ms", 1, 1],
    ["CPU, ms each", undefined, 2],
    ["resident", undefined, 80],
    ["resident, through a proxy", undefined, 90],
  ]);
});

/** Tables with these values for ngrokd, without and with a proxy, and 100 for stunnel. */
function tablesWith(values: Readonly<Record<string, readonly [number, number]>>): Table[] {
  return Object.entries(values).map(([title, [plain, proxied]]) => ({
    title,
    rows: [
      { label: "upload, 1 stream", values: { ngrokd: plain, stunnel: 100 } },
      { label: `upload, 1 stream${PROXIED}`, values: { ngrokd: proxied } },
    ],
  }));
}

Deno.test("goalsOf() accepts each figure at its limit, and none beyond", () => {
  const cases: readonly (readonly [Parameters<typeof tablesWith>[0], readonly boolean[]])[] = [
    [{ [THROUGHPUT]: [80, 24] }, [true, true]],
    [{ [THROUGHPUT]: [79, 23] }, [false, false]],
    [{ [CPU_PER_GB]: [130, 500] }, [true]],
    [{ [CPU_PER_GB]: [131, 0] }, [false]],
    [{ [CONNECT_MS]: [3, 18] }, [true]],
    [{ [CONNECT_MS]: [3, 18.1] }, [false]],
    [{ [MEMORY]: [100, 164] }, [true]],
    [{ [MEMORY]: [100, 165] }, [false]],
  ];
  for (const [values, met] of cases) assert.deepEqual(goalsOf(tablesWith(values)).map(isMet), met);
});

Deno.test("missedTargets() contains a target that was not measured", () => {
  const rows = [{ label: "upload, 8 streams", values: { ngrokd: 100, haproxy: 1 } }];
  assert.deepEqual(missedTargets(goalsOf([{ title: THROUGHPUT, rows }])), [
    "not measured: upload, 8 streams: throughput ÷ stunnel (at least 0.8)",
  ]);
});

Deno.test("the tables show each value and ratio in its column", () => {
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
  const targets: Target[] = [
    { text: "x", unit: "ms", value: 0.5, atLeast: 0.8 },
    { text: "y", value: undefined, atMost: 1 },
  ];
  assert.equal(
    renderTargets(targets),
    "Targets\n  MISSED        x 0.5 ms (at least 0.8 ms)\n  not measured  y (at most 1)\n",
  );
});
