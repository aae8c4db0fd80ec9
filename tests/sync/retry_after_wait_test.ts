import assert from "node:assert/strict";
import { listBoundEndpoints } from "../../src/cloud/bound_endpoints.ts";
import { answering, apiClient } from "../fakes/fake_api.ts";
import { TestLoop } from "../fakes/sync_loop.ts";

const SECOND = 1000;
const START = Date.UTC(2027, 0, 1);
const INTERVAL = 10 * SECOND;
/** The loop's own wait after a first failure. */
const BACKED_OFF = 2 * INTERVAL;
const LONGEST = 900 * SECOND;
const LIST = JSON.stringify({ endpoints: [{ id: "ep_1", url: "http://a.t" }], next_page_uri: null });
const REFUSAL = '{"status_code":429,"error_code":"ERR_NGROK_226","msg":"slow down"}';

function inFuture(seconds: number): string {
  return new Date(START + seconds * SECOND).toUTCString();
}

/** The header, and the time from the 429 to the next request. */
const WAITS: readonly (readonly [header: string | undefined, waitMs: number])[] = [
  [undefined, BACKED_OFF],
  ["1", BACKED_OFF],
  ["120", 120 * SECOND],
  ["3600", LONGEST],
  ["9".repeat(30), LONGEST],
  ["-1", BACKED_OFF],
  ["soon", BACKED_OFF],
  ["", BACKED_OFF],
  ["1e9", BACKED_OFF],
  ["120, 3600", BACKED_OFF],
  [inFuture(-365 * 86_400), BACKED_OFF],
  [inFuture(300), 300 * SECOND - INTERVAL],
  [inFuture(86_400), LONGEST],
];

for (const [header, waitMs] of WAITS) {
  const name = JSON.stringify(header) ?? "none";
  Deno.test(`SyncLoop retries after ${waitMs / SECOND} s on 429 with Retry-After ${name} (F37)`, () => {
    let requests = 0;
    const send = answering(() => {
      if (++requests !== 2) return { body: LIST };
      return {
        status: 429,
        body: REFUSAL,
        headers: new Headers(header === undefined ? {} : { "Retry-After": header }),
      };
    });
    const client = apiClient({ send });
    const test = new TestLoop([(signal) => listBoundEndpoints(client, "k8sop_1", { signal })], {
      intervalMs: () => INTERVAL,
    });
    return test.run(async ({ clock, loop, polls, world }) => {
      await clock.pass(INTERVAL);
      assert.deepEqual([polls, loop.status.state], [[0, INTERVAL], "rate_limited"]);
      await clock.pass(waitMs - 1);
      assert.equal(requests, 2);
      await clock.pass(1);
      assert.equal(requests, 3);
      assert.deepEqual([[...world.open], world.closed], [["127.107.0.2:80"], []]);
    }, { now: START });
  });
}
