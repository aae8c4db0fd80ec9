import FakeTimers from "@sinonjs/fake-timers";
import assert from "node:assert/strict";
import { parseCidr } from "../../src/lib/ipv4.ts";
import { ApiError } from "../../src/model/errors.ts";
import { SyncLoop } from "../../src/sync/loop.ts";
import type { HttpRequest, HttpResponse } from "../../src/system/http.ts";
import { sleep } from "../../src/system/clock.ts";
import { fakeAccount } from "../fakes/fake_account.ts";
import { FakeWorld } from "../fakes/sync_effects.ts";

type Answer = (request: HttpRequest, count: number) =>
  | Partial<Omit<HttpResponse, "headers">> & {
    headers?: Record<string, string>;
  }
  | Error;

const OPERATOR = JSON.stringify({ id: "k8sop_1", binding: { cert: { cert: "c" } } });
const GOOD = JSON.stringify({ endpoints: [{ id: "ep_1", url: "http://a.t" }], next_page_uri: null });
const NO_OPERATORS = JSON.stringify({ operators: [], next_page_uri: null });
const NOT_FOUND = '{"status_code":404,"msg":"Resource not found","details":{}}';

/** Of the account: the operator that it had is gone. */
function isOperators({ url, method }: HttpRequest): boolean {
  return method === "GET" && new URL(url).pathname.endsWith("/kubernetes_operators");
}

function isList({ url }: HttpRequest): boolean {
  return new URL(url).pathname.endsWith("/bound_endpoints");
}

function refused(status: number): string {
  return JSON.stringify({ error_code: "ERR_NGROK_206", status_code: status, msg: "refused", details: {} });
}

function wrong(code: string, status = 0): ApiError {
  return new ApiError(`Cannot use it: ${code}`, { status, code });
}

interface Fault {
  readonly answer: Answer;
  readonly ms?: number;
}

/** What the API does instead of a good answer, and how long it takes; by the row of the fault. */
const FAULTS: Record<string, Record<string, Fault>> = {
  F35: {
    "a refused connection": { answer: () => wrong("unreachable") },
  },
  F36: {
    "a refused key (401)": { answer: () => ({ status: 401, body: refused(401) }) },
    "a refused key (403)": { answer: () => ({ status: 403, body: refused(403) }) },
  },
  F37: {
    "429": { answer: () => ({ status: 429, body: "{}" }) },
    "429 with Retry-After 1": {
      answer: () => ({ status: 429, body: "{}", headers: { "Retry-After": "1" } }),
    },
    "429 with Retry-After -1": {
      answer: () => ({ status: 429, body: "{}", headers: { "Retry-After": "-1" } }),
    },
  },
  F38: {
    "500": { answer: () => ({ status: 500, body: "{}" }) },
    "500 with HTML": { answer: () => ({ status: 500, body: "<html>" }) },
    "200 with HTML": { answer: () => ({ status: 200, body: "<html>" }) },
    "an empty body": { answer: () => ({ status: 200, body: "" }) },
    "a list that is none": { answer: () => ({ status: 200, body: "{}" }) },
    "cut-off JSON": { answer: () => ({ status: 200, body: GOOD.slice(0, 40) }) },
    "a body that is too large": { answer: () => wrong("too_large", 200) },
    "no answer": { answer: () => wrong("timeout"), ms: 15_000 },
  },
  F40: {
    "a page that names itself": {
      answer: (request) => ({ body: isList(request) ? GOOD.replace("null", `"${request.url}"`) : OPERATOR }),
    },
  },
  F41: {
    "a redirect": {
      answer: () => ({ status: 302, body: "", headers: { Location: "https://other.example" } }),
    },
  },
  F42: {
    "404 to all but the account's list": {
      answer: (request) => isOperators(request) ? {} : { status: 404, body: NOT_FOUND },
    },
    "404 to lists of endpoints": {
      answer: (request) => isList(request) ? { status: 404, body: NOT_FOUND } : {},
    },
  },
};

class Api {
  readonly sent: { at: number; method: string }[] = [];
  answer: Answer = () => ({});
  ms = 5;

  readonly send = async (request: HttpRequest): Promise<HttpResponse> => {
    this.sent.push({ at: Date.now(), method: request.method });
    const answer = this.answer(request, this.sent.length);
    await sleep(this.ms, { signal: request.signal });
    if (answer instanceof Error) throw answer;
    const good = isList(request) ? GOOD : isOperators(request) ? NO_OPERATORS : OPERATOR;
    return { status: 200, body: good, ...answer, headers: new Headers(answer.headers ?? {}) };
  };

  get mostInWindow(): number {
    const times = this.sent.map(({ at }) => at);
    return Math.max(...times.map((start) => times.filter((at) => at >= start && at < start + 60_000).length));
  }
}

function setUp(api: Api) {
  const account = fakeAccount({ send: api.send });
  const world = new FakeWorld();
  const settings = {
    subnet: parseCidr("127.107.0.0/16")!,
    listenInterface: "virtual",
    overrides: {},
    resolveInterface: () => undefined,
    startPort: 9080,
  };
  const loop = new SyncLoop({
    poll: (signal) => account.discover(signal),
    effects: world,
    saved: { leases: new Map(), ports: new Map(), endpoints: undefined },
    settings: () => settings,
    intervalMs: () => 1000,
    readyInMs: (pages) => account.readyInMs(pages),
    random: () => 0.5,
  });
  return { account, loop, world };
}

async function withClock(test: (clock: FakeTimers.Clock, stop: AbortController) => Promise<void>) {
  const clock = FakeTimers.install({ now: 0, toFake: ["setTimeout", "clearTimeout", "Date", "performance"] });
  const stop = new AbortController();
  try {
    await test(clock, stop);
  } finally {
    stop.abort();
    clock.uninstall();
  }
}

function keepsLimit({ answer, ms = 5 }: Fault, [leastPosts, mostPosts] = [0, 0]): Promise<void> {
  return withClock(async (clock, stop) => {
    const api = new Api();
    const { account, loop, world } = setUp(api);
    await account.load();
    const running = loop.run(stop.signal);
    await clock.tickAsync(5000);
    assert.deepEqual([...world.open], ["127.107.0.2:80"]);
    Object.assign(api, { answer, ms });
    for (let step = 0; step < 600; step++) {
      await clock.tickAsync(500);
      loop.nudge();
      loop.wake();
      void loop.poll(stop.signal);
      const { signal } = stop;
      void account.renew({ force: true, signal, patienceMs: 10_000 }).catch(() => {});
    }
    assert.ok(api.sent.length > 5, `${api.sent.length} requests`);
    assert.ok(api.mostInWindow <= 60, `${api.mostInWindow} requests`);
    const posts = api.sent.filter(({ method }) => method === "POST").length;
    assert.ok(posts >= leastPosts && posts <= mostPosts, `${posts} operators in 5 minutes`);
    assert.deepEqual([[...world.open], world.closed], [["127.107.0.2:80"], []]);
    stop.abort();
    await running;
  });
}

for (const [name, fault] of Object.entries(FAULTS["F35"]!)) {
  Deno.test(`${name}: 60 requests at most in any 60 s whatever nudges it, and nothing is removed (F35)`, () =>
    keepsLimit(fault));
}

for (const [name, fault] of Object.entries(FAULTS["F36"]!)) {
  Deno.test(`${name}: 60 requests at most in any 60 s whatever nudges it, and nothing is removed (F36)`, () =>
    keepsLimit(fault));
}

for (const [name, fault] of Object.entries(FAULTS["F37"]!)) {
  Deno.test(`${name}: 60 requests at most in any 60 s whatever nudges it, and nothing is removed (F37)`, () =>
    keepsLimit(fault));
}

for (const [name, fault] of Object.entries(FAULTS["F38"]!)) {
  Deno.test(`${name}: 60 requests at most in any 60 s whatever nudges it, and nothing is removed (F38)`, () =>
    keepsLimit(fault));
}

for (const [name, fault] of Object.entries(FAULTS["F40"]!)) {
  Deno.test(`${name}: 60 requests at most in any 60 s whatever nudges it, and nothing is removed (F40)`, () =>
    keepsLimit(fault));
}

for (const [name, fault] of Object.entries(FAULTS["F41"]!)) {
  Deno.test(`${name}: 60 requests at most in any 60 s whatever nudges it, and nothing is removed (F41)`, () =>
    keepsLimit(fault));
}

for (const [name, fault] of Object.entries(FAULTS["F42"]!)) {
  Deno.test(`${name}: 60 requests at most in any 60 s whatever nudges it, one operator in each step of a back-off, and nothing is removed (F42)`, () =>
    keepsLimit(fault, [2, 5]));
}

Deno.test("a good API is asked 60 times at most in any 60 s by commands and signals all the time", () =>
  withClock(async (clock, stop) => {
    const api = new Api();
    const { account, loop } = setUp(api);
    await account.load();
    const running = loop.run(stop.signal);
    for (let step = 0; step < 600; step++) {
      await clock.tickAsync(500);
      loop.nudge();
      loop.wake();
      void account.renew({ force: true, signal: stop.signal, patienceMs: 10_000 }).catch(() => {});
    }
    assert.ok(api.mostInWindow <= 60 && api.sent.length > 200, `${api.mostInWindow} of ${api.sent.length}`);
    stop.abort();
    await running;
  }));
