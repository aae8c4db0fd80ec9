import assert from "node:assert/strict";
import { formatDuration } from "../../../src/daemon/answers/duration.ts";

Deno.test("formatDuration() writes time spans as Go does", () => {
  const cases: [number, string][] = [
    [0, "0s"],
    [350, "350ms"],
    [999.6, "999ms"],
    [1000, "1s"],
    [3_500, "3.5s"],
    [59_999, "59.999s"],
    [60_000, "1m0s"],
    [3_599_999.9, "59m59.999s"],
    [3_723_500, "1h2m3.5s"],
    [90_000_000, "25h0m0s"],
  ];
  for (const [ms, text] of cases) assert.equal(formatDuration(ms), text);
});
