import assert from "node:assert/strict";
import { watchRedirects } from "../../src/daemon/redirect_watch.ts";
import type { Redirect } from "../../src/model/redirect.ts";
import { fakeClock } from "../fakes/fake_clock.ts";

// The next poll was up to 15 minutes away, while the name led to another program.
Deno.test("watchRedirects() runs a round every 10 s while there are redirects", async () => {
  using clock = fakeClock();
  const redirects: Redirect[] = [];
  const stopping = new AbortController();
  let rounds = 0;
  const watching = watchRedirects({
    redirects: { observe: () => redirects },
    loop: { reconcile: () => Promise.resolve(void rounds++) },
  }, stopping.signal);
  await clock.pass(60_000);
  assert.equal(rounds, 0);
  redirects.push({ address: "10.107.0.4", from: 5432, to: 9080 });
  await clock.pass(60_000);
  assert.equal(rounds, 6);
  stopping.abort();
  await watching;
  assert.equal(clock.timers(), 0);
});
