import assert from "node:assert/strict";
import { dialPlan, forgetAddress, hasWorkingAddress, noteAddress } from "../../src/system/working_address.ts";
import { fakeClock } from "../fakes/fake_clock.ts";
import { runModule } from "../fakes/run_module.ts";

const WHERE = { hostname: "ingress.test", port: 443 };
const SLOW = { address: "192.0.2.7", tookMs: 160 };

Deno.test("noteAddress() remembers an address for 10 minutes, if another one may have cost time", async () => {
  using time = fakeClock();
  noteAddress(WHERE, { address: "192.0.2.1", tookMs: 149 });
  noteAddress({ hostname: "192.0.2.1", port: 443 }, SLOW);
  noteAddress({ hostname: "2001:db8::1", port: 443 }, SLOW);
  assert.deepEqual(dialPlan(WHERE), { delayMs: 150 });
  assert.equal(hasWorkingAddress({ hostname: "192.0.2.1", port: 443 }), false);
  noteAddress(WHERE, SLOW);
  assert.deepEqual(dialPlan(WHERE), { address: "192.0.2.7", delayMs: 150 });
  assert.deepEqual(dialPlan({ ...WHERE, port: 444 }), { delayMs: 150 });
  await time.pass(10 * 60 * 1000 - 1);
  assert.equal(hasWorkingAddress(WHERE), true);
  await time.pass(1);
  assert.deepEqual(dialPlan(WHERE), { delayMs: 150 });
  noteAddress(WHERE, SLOW);
  forgetAddress(WHERE);
  assert.equal(hasWorkingAddress(WHERE), false);
});

Deno.test("noteAddress() remembers 64 hosts at most", () => {
  for (let port = 1; port <= 200; port++) noteAddress({ ...WHERE, port }, SLOW);
  const all = Array.from({ length: 200 }, (_, index) => hasWorkingAddress({ ...WHERE, port: index + 1 }));
  assert.ok(all.filter(Boolean).length <= 64);
  assert.equal(all.at(-1), true);
  for (let port = 1; port <= 200; port++) forgetAddress({ ...WHERE, port });
});

// The shipped set has names of hosts and all IPv4 addresses.
Deno.test("dialPlan() hurries to an address that the permission set does not include", async () => {
  const { stdout, stderr } = await runModule(
    `
    import { dialPlan, noteAddress } from "../../src/system/working_address.ts";
    for (const address of ["192.0.2.7", "2001:db8::7"]) {
      noteAddress({ hostname: "ingress.test", port: 443 }, { address, tookMs: 160 });
      console.log(JSON.stringify(dialPlan({ hostname: "ingress.test", port: 443 })));
    }
  `,
    { permissions: ["--allow-net=0.0.0.0/0,ingress.test"] },
  );
  assert.equal(stdout, '{"address":"192.0.2.7","delayMs":150}\n{"delayMs":10}\n', stderr);
});
