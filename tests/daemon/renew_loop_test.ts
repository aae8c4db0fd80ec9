import assert from "node:assert/strict";
import FakeTimers from "@sinonjs/fake-timers";
import { renewLoop } from "../../src/daemon/renew_loop.ts";
import type { Account } from "../../src/sync/account.ts";

type Looked = Pick<Account, "certificate" | "operatorId" | "renew">;

Deno.test("renewLoop() looks soon after the start and then at each interval, survives failures, and ends with its signal", async () => {
  const clock = FakeTimers.install();
  try {
    let looks = 0;
    const account = {
      certificate: {},
      operatorId: "k8sop_1",
      renew() {
        looks++;
        return Promise.reject(new Error("the API is away"));
      },
    } as unknown as Looked;
    const stop = new AbortController();
    const ended = renewLoop({ account, intervalMs: () => 3_600_000 }, stop.signal);
    await clock.tickAsync(9_999);
    assert.equal(looks, 0);
    await clock.tickAsync(1);
    assert.equal(looks, 1);
    await clock.tickAsync(3_600_000);
    assert.equal(looks, 2);
    stop.abort();
    await ended;
    assert.equal(clock.countTimers(), 0);
  } finally {
    clock.uninstall();
  }
});

Deno.test("renewLoop() asks for nothing before there is a certificate", async () => {
  const clock = FakeTimers.install();
  try {
    const account = {
      certificate: undefined,
      operatorId: undefined,
      renew: () => assert.fail("there is nothing to renew"),
    } as unknown as Looked;
    const stop = new AbortController();
    const ended = renewLoop({ account, intervalMs: () => 1000 }, stop.signal);
    await clock.tickAsync(60_000);
    stop.abort();
    await ended;
  } finally {
    clock.uninstall();
  }
});

Deno.test("renewLoop() takes up an interval that is made shorter while it waits", async () => {
  const clock = FakeTimers.install();
  try {
    let looks = 0;
    let intervalMs = 7 * 24 * 3_600_000;
    const account = {
      certificate: {},
      operatorId: "k8sop_1",
      renew: () => Promise.resolve(void looks++),
    } as unknown as Looked;
    const stop = new AbortController();
    const ended = renewLoop({ account, intervalMs: () => intervalMs }, stop.signal);
    await clock.tickAsync(60_000);
    assert.equal(looks, 1);
    intervalMs = 60_000;
    await clock.tickAsync(15_000);
    assert.equal(looks, 2);
    await clock.tickAsync(60_000);
    assert.equal(looks, 3);
    stop.abort();
    await ended;
  } finally {
    clock.uninstall();
  }
});
