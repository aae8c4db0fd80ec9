import assert from "node:assert/strict";
import { judge, type Round } from "../../bench/proxy/quick.ts";

function round(down: number, up: number, extraMs: number): Round {
  return {
    rates: { down: { direct: 500, proxied: 500 * down }, up: { direct: 400, proxied: 400 * up } },
    connectMs: { direct: 2, proxied: 2 + extraMs },
  };
}

function missed(rounds: readonly Round[], extraMiB: number): string[] {
  return judge(rounds, extraMiB).filter(({ met }) => !met).map(({ what }) => what);
}

Deno.test("judge() of bench:proxy passes what was seen, and one round that something else disturbed", () => {
  const seen = round(0.6, 0.5, 2);
  assert.deepEqual(missed([seen, seen, round(0.1, 0.1, 80)], 10), []);
});

Deno.test("judge() of bench:proxy misses each target by itself", () => {
  assert.deepEqual(missed([round(0.29, 0.5, 2)], 10), ["proxy + relay ÷ direct, down"]);
  assert.deepEqual(missed([round(0.6, 0.29, 2)], 10), ["proxy + relay ÷ direct, up"]);
  assert.deepEqual(missed([round(0.6, 0.5, 42)], 10), ["more to connect, ms"]);
  assert.deepEqual(missed([round(0.6, 0.5, 2)], 800), ["more memory after, MiB"]);
});
