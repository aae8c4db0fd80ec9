import assert from "node:assert/strict";
import fc from "fast-check";
import { parseRetryAfter } from "../../src/cloud/retry_after.ts";

const NOW = Date.UTC(2026, 0, 2, 3, 4, 5);

Deno.test("parseRetryAfter() reads seconds and dates, and caps them at 15 minutes (F37)", () => {
  assert.equal(parseRetryAfter("1", NOW), 1000);
  assert.equal(parseRetryAfter(" 90 ", NOW), 90_000);
  assert.equal(parseRetryAfter("3600", NOW), 900_000);
  assert.equal(parseRetryAfter("9".repeat(400), NOW), 900_000);
  assert.equal(parseRetryAfter("Fri, 02 Jan 2026 03:04:35 GMT", NOW), 30_000);
  assert.equal(parseRetryAfter("Fri, 02 Jan 2099 03:04:35 GMT", NOW), 900_000);
});

Deno.test("parseRetryAfter() ignores values that are absent, negative, past or invalid (F37)", () => {
  const values = [
    null,
    "",
    "0",
    "-1",
    "1.5",
    "soon",
    "NaN",
    "Infinity",
    "1e3",
    "0x10",
    "2026",
    "Fri, 02 Jan 2026 03:04:05 GMT",
  ];
  for (
    const value of [...values, "Fri, 02 Jan 2016 03:04:05 GMT", "Xxx, 99 Yyy 2026 99:99:99 GMT", "2099-01-01"]
  ) {
    assert.equal(parseRetryAfter(value, NOW), value === "2026" ? 900_000 : undefined, String(value));
  }
});

Deno.test("property: parseRetryAfter() returns undefined or a delay in (0, 15 min] (F37)", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.integer().map(String),
        fc.date({ noInvalidDate: true }).map((d) => d.toUTCString()),
      ),
      (value) => {
        const wait = parseRetryAfter(value, NOW);
        assert(wait === undefined || (wait > 0 && wait <= 900_000));
      },
    ),
    { seed: 2, numRuns: 500 },
  );
});
