import assert from "node:assert/strict";
import fc from "fast-check";
import { readPem, writePem } from "../../src/x509/pem.ts";
import { cpuTimeMs } from "../fakes/cpu_time.ts";

Deno.test("readPem() reads the blocks of writePem() among any other lines", () => {
  const block = fc.record({
    label: fc.constantFrom("CERTIFICATE", "EC PRIVATE KEY"),
    der: fc.uint8Array({ minLength: 1, maxLength: 200 }),
  });
  const noise = fc.string().map((text) => text.replaceAll("-", ""));
  fc.assert(
    fc.property(fc.array(fc.tuple(noise, block), { maxLength: 4 }), (parts) => {
      const text = parts.map(([before, { label, der }]) => `${before}\n${writePem(label, der)}`).join("");
      const read = readPem(text);
      assert.deepEqual(
        read.map(({ label, der }) => [label, der.toHex()]),
        parts.map(([, { label, der }]) => [label, der.toHex()]),
      );
      assert.equal(
        read.map(({ pem }) => pem).join(""),
        parts.map(([, { label, der }]) => writePem(label, der)).join(""),
      );
    }),
    { seed: 4, numRuns: 200 },
  );
});

Deno.test("writePem() breaks lines at 64 characters", () => {
  const lines = writePem("X", new Uint8Array(100)).split("\n");
  assert.deepEqual(lines.map(({ length }) => length), [17, 64, 64, 8, 15, 0]);
});

Deno.test("readPem() ignores blocks that are unfinished, not base64, or end with another label", () => {
  const good = writePem("CERTIFICATE", Uint8Array.of(1, 2, 3));
  const bad = [
    "-----BEGIN CERTIFICATE-----\nAAAA\n",
    "-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n",
    "-----BEGIN CERTIFICATE-----\nAAAA\n-----END KEY-----\n",
  ];
  for (const text of bad) assert.deepEqual(readPem(text + good).map(({ pem }) => pem), [good], text);
});

Deno.test("readPem() reads a text of unfinished blocks in linear time", () => {
  const text = "-----BEGIN A-----\n".repeat(200_000) + "A".repeat(1_000_000);
  const start = cpuTimeMs();
  assert.deepEqual(readPem(text), []);
  assert(cpuTimeMs() - start < 2000);
});
