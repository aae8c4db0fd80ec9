import FakeTimers from "@sinonjs/fake-timers";
import assert from "node:assert/strict";
import { listBoundEndpoints } from "../../src/cloud/bound_endpoints.ts";
import { ApiClient } from "../../src/cloud/client.ts";
import { parseCidr } from "../../src/lib/ipv4.ts";
import { SyncLoop } from "../../src/sync/loop.ts";
import { FakeWorld } from "../fakes/sync_effects.ts";

const SECOND = 1000;
const START = Date.UTC(2027, 0, 1);
const INTERVAL = 10 * SECOND;
/** What it waits by itself after a first failure, a tenth more or less. */
const BACKED_OFF = 2 * INTERVAL;
const LONGEST = 900 * SECOND;
const LIST = JSON.stringify({ endpoints: [{ id: "ep_1", url: "http://a.t" }], next_page_uri: null });

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
  Deno.test(`a poll that 429 with Retry-After ${JSON.stringify(header)} answers is made again after ${waitMs / SECOND} s, and nothing is removed (F37)`, async () => {
    const clock = FakeTimers.install({
      now: START,
      toFake: ["setTimeout", "clearTimeout", "Date", "performance"],
    });
    const stop = new AbortController();
    try {
      const times: number[] = [];
      const client = new ApiClient({
        baseUrl: () => "https://api.example.com",
        key: () => "key_secret",
        userAgent: "t",
        send() {
          times.push(Date.now() - START);
          const headers = new Headers(header === undefined ? {} : { "Retry-After": header });
          return Promise.resolve(
            times.length === 2
              ? {
                status: 429,
                headers,
                body: '{"status_code":429,"error_code":"ERR_NGROK_226","msg":"slow down"}',
              }
              : { status: 200, headers: new Headers(), body: LIST },
          );
        },
      });
      const world = new FakeWorld();
      const settings = {
        subnet: parseCidr("127.107.0.0/16")!,
        listenInterface: "virtual",
        overrides: {},
        resolveInterface: () => undefined,
        startPort: 9080,
      };
      const loop = new SyncLoop({
        poll: (signal) => listBoundEndpoints(client, "k8sop_1", { signal }),
        effects: world,
        saved: { leases: new Map(), ports: new Map(), endpoints: undefined },
        settings: () => settings,
        intervalMs: () => INTERVAL,
        random: () => 0.5,
      });
      const running = loop.run(stop.signal);
      await clock.tickAsync(INTERVAL);
      assert.deepEqual([times, loop.status.state], [[0, INTERVAL], "rate_limited"]);
      await clock.tickAsync(waitMs - 1);
      assert.equal(times.length, 2);
      await clock.tickAsync(1);
      assert.equal(times.length, 3);
      assert.deepEqual([[...world.open], world.closed], [["127.107.0.2:80"], []]);
      stop.abort();
      await running;
    } finally {
      stop.abort();
      clock.uninstall();
    }
  });
}
