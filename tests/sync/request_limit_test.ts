import assert from "node:assert/strict";
import { ApiError } from "../../src/model/errors.ts";
import { sleep } from "../../src/system/clock.ts";
import type { HttpRequest, HttpResponse } from "../../src/system/http.ts";
import { fakeAccount } from "../fakes/fake_account.ts";
import { TestLoop } from "../fakes/sync_loop.ts";
import { mostInMinute } from "./most_in_minute.ts";

type Answer = (request: HttpRequest) =>
  | Partial<Omit<HttpResponse, "headers">> & { headers?: Record<string, string> }
  | ApiError;

/** An answer that replaces the good one, and the time that it takes. */
interface Fault {
  readonly answer: Answer;
  readonly ms?: number;
}

const OPERATOR = JSON.stringify({ id: "k8sop_1", binding: { cert: { cert: "c" } } });
const GOOD = JSON.stringify({ endpoints: [{ id: "ep_1", url: "http://a.t" }], next_page_uri: null });
const NO_OPERATORS = JSON.stringify({ operators: [], next_page_uri: null });
const NOT_FOUND = { status: 404, body: '{"status_code":404,"msg":"Resource not found","details":{}}' };

/** True for the list of the account's operators. */
function isOperators({ url, method }: HttpRequest): boolean {
  return method === "GET" && new URL(url).pathname.endsWith("/kubernetes_operators");
}

function isList({ url }: HttpRequest): boolean {
  return new URL(url).pathname.endsWith("/bound_endpoints");
}

function refused(status: number): Fault {
  const body = JSON.stringify({
    error_code: "ERR_NGROK_206",
    status_code: status,
    msg: "refused",
    details: {},
  });
  return { answer: () => ({ status, body }) };
}

function answers(status: number, body: string, headers: Record<string, string> = {}): Fault {
  return { answer: () => ({ status, body, headers }) };
}

function fails(code: string, status = 0): Fault {
  return { answer: () => new ApiError(`Cannot use it: ${code}`, { status, code }) };
}

const FAULTS: readonly (readonly [id: string, name: string, fault: Fault])[] = [
  ["F35", "a refused connection", fails("unreachable")],
  ["F36", "a refused key (401)", refused(401)],
  ["F36", "a refused key (403)", refused(403)],
  ["F37", "429", answers(429, "{}")],
  ["F37", "429 with Retry-After 1", answers(429, "{}", { "Retry-After": "1" })],
  ["F37", "429 with Retry-After -1", answers(429, "{}", { "Retry-After": "-1" })],
  ["F38", "500", answers(500, "{}")],
  ["F38", "500 with HTML", answers(500, "<html>")],
  ["F38", "200 with HTML", answers(200, "<html>")],
  ["F38", "an empty body", answers(200, "")],
  ["F38", "an object that is no list", answers(200, "{}")],
  ["F38", "cut-off JSON", answers(200, GOOD.slice(0, 40))],
  ["F38", "a body that is too large", fails("too_large", 200)],
  ["F38", "no answer", { ...fails("timeout"), ms: 15_000 }],
  ["F40", "a page that names itself", {
    answer: (request) => ({ body: isList(request) ? GOOD.replace("null", `"${request.url}"`) : OPERATOR }),
  }],
  ["F41", "a redirect", answers(302, "", { Location: "https://other.example" })],
  ["F42", "404 to all but the list of operators", {
    answer: (request) => isOperators(request) ? {} : NOT_FOUND,
  }],
  ["F42", "404 to lists of endpoints", { answer: (request) => isList(request) ? NOT_FOUND : {} }],
];

class Api {
  readonly sent: { at: number; method: string }[] = [];
  answer: Answer = () => ({});
  ms = 5;

  readonly send = async (request: HttpRequest): Promise<HttpResponse> => {
    this.sent.push({ at: Date.now(), method: request.method });
    const answer = this.answer(request);
    await sleep(this.ms, { signal: request.signal });
    if (answer instanceof Error) throw answer;
    const good = isList(request) ? GOOD : isOperators(request) ? NO_OPERATORS : OPERATOR;
    return { status: 200, body: good, ...answer, headers: new Headers(answer.headers ?? {}) };
  };
}

/** Nudges, wakes, polls and renews twice a second for five minutes, beside polls every second. */
async function hurry(fault: Partial<Fault>): Promise<Api> {
  const api = new Api();
  const account = fakeAccount({ send: api.send });
  await account.load();
  const test = new TestLoop([(signal) => account.discover(signal)], {
    intervalMs: () => 1000,
    readyInMs: (pages) => account.readyInMs(pages),
  });
  const stopping = new AbortController();
  const { signal } = stopping;
  await test.run(async ({ clock, loop, world }) => {
    await clock.pass(5000);
    assert.deepEqual([...world.open], ["127.107.0.2:80"]);
    Object.assign(api, fault);
    for (let step = 0; step < 600; step++) {
      await clock.pass(500);
      loop.pollNow();
      loop.wake();
      void loop.poll(signal);
      void account.renew({ force: true, signal, maxWaitMs: 10_000 }).catch(() => {});
    }
    const most = mostInMinute(api.sent.map(({ at }) => at));
    assert.ok(most <= 60, `${most} requests`);
    assert.deepEqual([[...world.open], world.closed], [["127.107.0.2:80"], []]);
    stopping.abort();
  });
  return api;
}

for (const [id, name, fault] of FAULTS) {
  Deno.test(`SyncLoop sends at most 60 requests in any 60 s and removes nothing: ${name} (${id})`, async () => {
    const { sent } = await hurry(fault);
    assert.ok(sent.length > 5, `${sent.length} requests`);
    const posts = sent.filter(({ method }) => method === "POST").length;
    // A new operator is registered once in each step of a back-off.
    const [least, most] = id === "F42" ? [2, 5] : [0, 0];
    assert.ok(least <= posts && posts <= most, `${posts} operators in 5 minutes`);
  });
}

Deno.test("SyncLoop sends a good API at most 60 requests in any 60 s, whatever hurries it", async () => {
  const { sent } = await hurry({});
  assert.ok(sent.length > 200, `${sent.length} requests`);
});

// With an interval of 1 s, polls pause for 6 to 11 s in each minute. Nothing once said so.
Deno.test("SyncLoop says in its status that a poll waits for the request budget, and for how long", async () => {
  const api = new Api();
  const account = fakeAccount({ send: api.send });
  await account.load();
  const test = new TestLoop([(signal) => account.discover(signal)], {
    intervalMs: () => 1000,
    readyInMs: (pages) => account.readyInMs(pages),
  });
  await test.run(async ({ clock, loop }) => {
    const pauses: number[] = [];
    let last: number | undefined;
    for (let second = 0; second < 180; second++) {
      await clock.pass(1000);
      const wait = /^the next poll waits ([0-9]+) s for the request budget/.exec(loop.status.wait ?? "");
      const waitS = wait === null ? undefined : Number(wait[1]);
      if (waitS !== undefined && last === undefined) pauses.push(waitS);
      if (waitS !== undefined && last !== undefined) assert.equal(waitS, last - 1);
      assert.equal(loop.status.state, "ok");
      last = waitS;
    }
    assert.ok(pauses.length >= 2 && pauses.every((seconds) => seconds > 2), `${pauses}`);
  });
});
