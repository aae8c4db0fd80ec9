import assert from "node:assert/strict";
import { SeededRandom } from "../../sim/cloud/seeded_random.ts";
import type { HttpRequest, HttpResponse } from "../../src/system/http.ts";
import { fakeAccount } from "../fakes/fake_account.ts";
import { NEVER, TestLoop } from "../fakes/sync_loop.ts";
import { mostInMinute } from "./most_in_minute.ts";

const COUNT = 10_000;
const PAGE_SIZE = 100;
/** The API allows this many requests in any 60 s (docs/protocol.md 1.4). */
const LIMIT = 120;
const WINDOW_MS = 60_000;

/**
 * The API of an account with 10,000 endpoints. It answers after a while, and notes the time of each
 * request.
 */
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
    const answer = inWindow > LIMIT
      ? { status: 429, body: this.#refuse() }
      : { status: 200, body: this.#answer(new URL(request.url)) };
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

/** A loop over an account with 10,000 endpoints. */
async function setUp(): Promise<{ api: Api; test: TestLoop }> {
  const api = new Api();
  const account = fakeAccount({ send: api.send });
  await account.load();
  const random = new SeededRandom(11);
  const test = new TestLoop([(signal) => account.discover(signal)], {
    readyInMs: (pages) => account.readyInMs(pages),
    random: () => random.next(),
  });
  return { api, test };
}

function assertWithinLimit(api: Api): void {
  assert.ok(mostInMinute(api.arrivals) <= LIMIT, `${mostInMinute(api.arrivals)}`);
  assert.equal(api.refused, 0);
}

Deno.test("SyncLoop lists 10,000 endpoints every 30 s within 120 requests in any 60 s (F43)", async () => {
  const { api, test } = await setUp();
  await test.run(async ({ clock, world }) => {
    await clock.pass(10_000);
    assert.deepEqual([api.pages, world.open.size], [100, COUNT], "each poll is one burst");
    await clock.pass(400_000);
    assert.ok(api.pages >= 400, `${api.pages} pages`);
    assertWithinLimit(api);
  });
});

Deno.test("SyncLoop keeps within the API's limit whatever calls and commands come (F43)", async () => {
  const { api, test } = await setUp();
  const random = new SeededRandom(3);
  await test.run(async ({ clock, loop, world }) => {
    await clock.pass(10_000);
    for (let round = 0; round < 30; round++) {
      await clock.pass(random.next() * 15_000);
      const command = Math.floor(random.next() * 3);
      if (command !== 1) loop.pollNow();
      // As set-api-key does after a reload.
      if (command !== 0) void loop.poll(NEVER);
    }
    await clock.pass(70_000);
    assert.ok(api.pages >= 300, `${api.pages} pages: the calls had an effect`);
    assertWithinLimit(api);
    assert.deepEqual([loop.status.state, world.open.size], ["ok", COUNT]);
  });
});

Deno.test("SyncLoop.poll() right after a long poll returns at once; the next poll follows when it can", async () => {
  const { api, test } = await setUp();
  await test.run(async ({ clock, loop }) => {
    await clock.pass(10_000);
    loop.pollNow();
    assert.equal(await loop.poll(NEVER), false);
    assert.equal(api.pages, 100);
    await clock.pass(60_000);
    assert.equal(api.pages, 200);
  });
});

Deno.test("SyncLoop.poll() and pollNow() at the same time are one poll", async () => {
  const { api, test } = await setUp();
  await test.run(async ({ clock, loop }) => {
    await clock.pass(90_000);
    assert.equal(api.pages, 100);
    loop.pollNow();
    let answered = false;
    void loop.poll(NEVER).then(() => answered = true);
    await clock.pass(9_000);
    assert.deepEqual([answered, api.pages], [true, 200]);
  });
});
