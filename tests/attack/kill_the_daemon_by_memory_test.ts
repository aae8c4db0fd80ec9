import assert from "node:assert/strict";
import { floodMemory } from "../long/flood/memory.ts";
import { rootTests } from "../root/test_root.ts";

const test = rootTests(import.meta.url, { memoryCgroup: true });

// The kernel killed the daemon, whose 2,048 slots did not depend on the limit. Small buffers in the
// kernel let the crowds fill all slots soon.
test("2,200 stalled connections in a cgroup of 256 MiB leave the daemon alive and quick (R75)", async () => {
  const { problems, peakMiB, bufferPeakMiB = 0 } = await floodMemory({
    limitMiB: 256,
    perKind: 550,
    bufferKiB: 64,
  });
  assert.deepEqual(problems, []);
  assert.ok(peakMiB + bufferPeakMiB <= 256, `${peakMiB} and ${bufferPeakMiB} MiB do not fit with cgroup v2`);
});
