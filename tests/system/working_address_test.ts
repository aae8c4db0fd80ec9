import assert from "node:assert/strict";
import {
  type Answered,
  dialPlan,
  forgetAddress,
  forgetAddresses,
  hasWorkingAddress,
  noteAddress,
} from "../../src/system/working_address.ts";
import { fakeClock } from "../fakes/fake_clock.ts";
import { runModule } from "../fakes/run_module.ts";

const WHERE = { hostname: "ingress.test", port: 443 };
const ORDER = ["192.0.2.1", "192.0.2.7"];
const SECOND: Answered = { address: "192.0.2.7", tookMs: 160, order: ORDER };

Deno.test("noteAddress() remembers an address for 10 minutes", async () => {
  using time = fakeClock();
  noteAddress(WHERE, SECOND);
  assert.deepEqual(dialPlan(WHERE), { address: "192.0.2.7", delayMs: 150 });
  assert.deepEqual(dialPlan({ ...WHERE, port: 444 }), { delayMs: 150 });
  await time.pass(10 * 60 * 1000 - 1);
  assert.equal(hasWorkingAddress(WHERE), true);
  await time.pass(1);
  assert.deepEqual(dialPlan(WHERE), { delayMs: 150 });
  for (const forget of [() => forgetAddress(WHERE), forgetAddresses]) {
    noteAddress(WHERE, { ...SECOND, order: undefined });
    assert.equal(hasWorkingAddress(WHERE), true);
    forget();
    assert.equal(hasWorkingAddress(WHERE), false);
  }
});

// A slow link or name server made each host look as if it had a dead address.
Deno.test("noteAddress() notes only an address before which another one cost time", () => {
  noteAddress(WHERE, { ...SECOND, tookMs: 149 });
  noteAddress(WHERE, { address: "192.0.2.1", tookMs: 900, order: ORDER });
  noteAddress(WHERE, { address: "192.0.2.7", tookMs: 900, order: ["192.0.2.7"] });
  noteAddress({ hostname: "192.0.2.1", port: 443 }, SECOND);
  noteAddress({ hostname: "2001:db8::1", port: 443 }, SECOND);
  for (const hostname of [WHERE.hostname, "192.0.2.1", "2001:db8::1"]) {
    assert.equal(hasWorkingAddress({ hostname, port: 443 }), false, hostname);
  }
});

Deno.test("noteAddress() remembers 64 hosts at most", () => {
  for (let port = 1; port <= 200; port++) noteAddress({ ...WHERE, port }, SECOND);
  const all = Array.from({ length: 200 }, (_, index) => hasWorkingAddress({ ...WHERE, port: index + 1 }));
  assert.ok(all.filter(Boolean).length <= 64);
  assert.equal(all.at(-1), true);
  forgetAddresses();
});

// The shipped set has names of hosts and all IPv4 addresses. Pauses of 10 ms made live addresses
// race.
Deno.test("dialPlan() pauses for twice the time of an address that the permission set lacks", async () => {
  const { stdout, stderr } = await runModule(
    `
    import { dialPlan, noteAddress } from "../../src/system/working_address.ts";
    const order = ["192.0.2.1", "192.0.2.7", "2001:db8::7"];
    const where = { hostname: "ingress.test", port: 443 };
    for (
      const [address, tookMs] of [
        ["192.0.2.7", 160], ["2001:db8::7", 303], ["2001:db8::7", 340], ["2001:db8::7", 155], ["2001:db8::7", 400],
      ]
    ) {
      noteAddress(where, { address, tookMs, order });
      console.log(JSON.stringify(dialPlan(where)));
    }
  `,
    { permissions: ["--allow-net=0.0.0.0/0,ingress.test"] },
  );
  const pauses = [10, 80, 10, 150].map((delayMs) => JSON.stringify({ delayMs }));
  assert.equal(
    stdout,
    ['{"address":"192.0.2.7","delayMs":150}', ...pauses, ""].join("\n"),
    stderr,
  );
});
