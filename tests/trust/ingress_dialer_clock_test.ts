import FakeTimers from "@sinonjs/fake-timers";
import assert from "node:assert/strict";
import { IngressDialer } from "../../src/trust/ingress_dialer.ts";
import type { TrustSet } from "../../src/trust/trust_set.ts";
import type { ByteStream } from "../../src/system/net.ts";

const HOUR = 3_600_000;
const YEAR = 365 * 24 * HOUR;

Deno.test("IngressDialer looks at the ingress anew when what it saw is old, also when the clock was set back since (it waited for years) (F20)", async () => {
  const clock = FakeTimers.install({ now: 10 * YEAR, toFake: ["Date", "performance"] });
  let probes = 0;
  await using dialer = new IngressDialer({
    connect: () => Promise.resolve({} as ByteStream),
    probe: () => {
      probes++;
      return Promise.resolve({ certificates: [], byRoots: "trusted" as const });
    },
    trust: { pems: [], cas: [], listed: [] } as unknown as TrustSet,
  });
  const target = { hostname: "ingress.example", port: 443 };
  async function dial(): Promise<number> {
    await dialer.connect({ ...target, cert: "", key: "", caCerts: [], timeoutMs: 1000 });
    // The look goes on beside the connection.
    await new Promise((resolve) => setTimeout(resolve, 0));
    return probes;
  }
  try {
    assert.equal(await dial(), 1);
    assert.deepEqual(dialer.presented?.verdict.reasons, []);
    clock.tick(HOUR);
    assert.equal(await dial(), 1);
    clock.setSystemTime(0);
    assert.equal(await dial(), 2);
    clock.tick(7 * HOUR);
    assert.equal(await dial(), 3);
  } finally {
    clock.uninstall();
  }
});
