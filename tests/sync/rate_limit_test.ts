import FakeTimers from "@sinonjs/fake-timers";
import assert from "node:assert/strict";
import { parseCidr } from "../../src/lib/ipv4.ts";
import { SyncLoop } from "../../src/sync/loop.ts";
import type { HttpRequest, HttpResponse } from "../../src/system/http.ts";
import { SeededRandom } from "../../sim/cloud/seeded_random.ts";
import { fakeAccount } from "../fakes/fake_account.ts";
import { FakeWorld } from "../fakes/sync_effects.ts";

const COUNT = 10_000;
const PAGE_SIZE = 100;
/** PROTOCOL.md 1.4 */
const LIMIT = 120;
const WINDOW_MS = 60_000;

/** An account with 10,000 endpoints behind an API that answers after a while, and notes when each request arrives. */
class Api {
  readonly arrivals: number[] = [];
  refused = 0;
  pages = 0;
  readonly #random = new SeededRandom(7);
  readonly #urls = Array.from({ length: COUNT }, (_, index) => ({
    id: `ep_${String(index).padStart(5, "0")}`,
    url: `tcp://e${index}.t:7000`,
  }));

  readonly send = async (request: HttpRequest): Promise<HttpResponse> => {
    await this.#travel();
    const now = Date.now();
    this.arrivals.push(now);
    const inWindow = this.arrivals.filter((time) => time > now - WINDOW_MS).length;
    const url = new URL(request.url);
    const answer = inWindow > LIMIT
      ? { status: 429, body: this.#refuse() }
      : { status: 200, body: this.#answer(url) };
    await this.#travel();
    return { headers: new Headers(), ...answer };
  };

  #travel(): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, 1 + this.#random.next() * 40));
  }

  #refuse(): string {
    this.refused++;
    return '{"status_code":429,"error_code":"ERR_NGROK_226","msg":"slow down","details":{}}';
  }

  #answer(url: URL): string {
    if (!url.pathname.endsWith("/bound_endpoints")) {
      return JSON.stringify({ id: "k8sop_1", binding: { cert: { cert: "c" } } });
    }
    this.pages++;
    const from = Number(url.searchParams.get("before_id") ?? 0);
    const to = from + PAGE_SIZE;
    return JSON.stringify({
      endpoints: this.#urls.slice(from, to),
      next_page_uri: to < COUNT ? `?before_id=${to}` : null,
    });
  }
}

function setUp(api: Api): { loop: SyncLoop; world: FakeWorld } {
  const account = fakeAccount({ send: api.send });
  const world = new FakeWorld();
  const settings = {
    subnet: parseCidr("127.107.0.0/16")!,
    listenInterface: "virtual",
    overrides: {},
    resolveInterface: () => undefined,
    startPort: 9080,
  };
  const random = new SeededRandom(11);
  const loop = new SyncLoop({
    poll: (signal) => account.discover(signal),
    effects: world,
    saved: { leases: new Map(), ports: new Map(), endpoints: undefined },
    settings: () => settings,
    intervalMs: () => 30_000,
    readyInMs: (pages) => account.readyInMs(pages),
    random: () => random.next(),
  });
  return { loop, world };
}

async function withClock(
  test: (clock: FakeTimers.Clock, stop: AbortController) => Promise<void>,
): Promise<void> {
  const clock = FakeTimers.install({
    now: 0,
    toFake: ["setTimeout", "clearTimeout", "Date", "performance"],
  });
  const stop = new AbortController();
  try {
    await test(clock, stop);
  } finally {
    stop.abort();
    clock.uninstall();
  }
}

function mostInWindow(arrivals: readonly number[]): number {
  return Math.max(
    ...arrivals.map((start) => arrivals.filter((time) => time >= start && time < start + WINDOW_MS).length),
  );
}

Deno.test("10,000 endpoints at an interval of 30 s keep within 120 requests in any 60 s, and each poll is one burst (F43)", () =>
  withClock(async (clock, stop) => {
    const api = new Api();
    const { loop, world } = setUp(api);
    const running = loop.run(stop.signal);
    await clock.tickAsync(10_000);
    assert.deepEqual([api.pages, world.open.size], [100, COUNT]);
    await clock.tickAsync(400_000);
    assert.ok(api.pages >= 400, `${api.pages} pages`);
    assert.ok(mostInWindow(api.arrivals) <= LIMIT, `${mostInWindow(api.arrivals)}`);
    assert.equal(api.refused, 0);
    stop.abort();
    await running;
  }));

Deno.test("nudges and commands at any time do not bring 10,000 endpoints beyond the API's limit (F43)", () =>
  withClock(async (clock, stop) => {
    const api = new Api();
    const random = new SeededRandom(3);
    const { loop, world } = setUp(api);
    const running = loop.run(stop.signal);
    await clock.tickAsync(10_000);
    for (let round = 0; round < 30; round++) {
      await clock.tickAsync(random.next() * 15_000);
      const command = Math.floor(random.next() * 3);
      if (command !== 1) loop.nudge();
      // As set-api-key does after a reload.
      if (command !== 0) void loop.poll(stop.signal);
    }
    await clock.tickAsync(70_000);
    assert.ok(api.pages >= 300, `${api.pages} pages: the nudges were heard`);
    assert.ok(mostInWindow(api.arrivals) <= LIMIT, `${mostInWindow(api.arrivals)}`);
    assert.deepEqual([api.refused, loop.status.state, world.open.size], [0, "ok", COUNT]);
    stop.abort();
    await running;
  }));

Deno.test("a command that comes right after a long poll does not wait for the next, which follows as soon as the limit allows", () =>
  withClock(async (clock, stop) => {
    const api = new Api();
    const { loop } = setUp(api);
    const running = loop.run(stop.signal);
    await clock.tickAsync(10_000);
    let answered = false;
    loop.nudge();
    void loop.poll(stop.signal).then(() => answered = true);
    await clock.tickAsync(1);
    assert.deepEqual([answered, api.pages], [true, 100]);
    await clock.tickAsync(60_000);
    assert.equal(api.pages, 200);
    stop.abort();
    await running;
  }));

Deno.test("a nudge and a command at once are one poll", () =>
  withClock(async (clock, stop) => {
    const api = new Api();
    const { loop } = setUp(api);
    const running = loop.run(stop.signal);
    await clock.tickAsync(90_000);
    assert.equal(api.pages, 100);
    loop.nudge();
    let answered = false;
    void loop.poll(stop.signal).then(() => answered = true);
    await clock.tickAsync(9_000);
    assert.deepEqual([answered, api.pages], [true, 200]);
    stop.abort();
    await running;
  }));
