import assert from "node:assert/strict";
import { ApiClient } from "../../src/cloud/client.ts";
import type { Pair } from "../../src/identity/store.ts";
import { ApiError } from "../../src/model/errors.ts";
import { Account } from "../../src/account/account.ts";
import type { HttpRequest, HttpResponse } from "../../src/system/http.ts";
import { fakeClock } from "../fakes/fake_clock.ts";

const NEVER = new AbortController().signal;
const DAY = 86_400_000;
const MINUTE = 60_000;
const NOT_FOUND = { status: 404, body: '{"status_code":404,"msg":"Resource not found","details":{}}' };

type Answer = Pick<HttpResponse, "status" | "body">;

/** An account at the API: its operators by id, and what each was registered with. */
class FakeCloud {
  readonly operators = new Map<string, { readonly metadata: string }>();
  readonly requests: string[] = [];
  /** What answers in place of the account; undefined: the account does. */
  intercept: (method: string, path: string, request: HttpRequest) => Promise<Answer> | undefined = () =>
    undefined;
  #made = 0;

  readonly send = async (request: HttpRequest): Promise<HttpResponse> => {
    const { method, url } = request;
    const path = new URL(url).pathname;
    this.requests.push(`${method} ${path}`);
    const answer = await (this.intercept(method, path, request) ?? this.answer(request));
    return { headers: new Headers(), ...answer };
  };

  answer({ method, url, body }: HttpRequest): Answer {
    const [, , id = "", list] = new URL(url).pathname.split("/");
    if (method === "POST") {
      const made = `k8sop_${++this.#made}`;
      this.operators.set(made, { metadata: JSON.parse(body!).metadata });
      return operator(made);
    }
    if (id === "") {
      const operators = [...this.operators].map(([id, { metadata }]) => ({ id, metadata }));
      return { status: 200, body: JSON.stringify({ operators, next_page_uri: null }) };
    }
    if (!this.operators.has(id)) return NOT_FOUND;
    if (method === "DELETE") {
      this.operators.delete(id);
      return { status: 204, body: "" };
    }
    if (list === undefined) return operator(id);
    return { status: 200, body: JSON.stringify({ endpoints: [], next_page_uri: null }) };
  }
}

function operator(id: string): Answer {
  return { status: 200, body: JSON.stringify({ id, binding: { cert: { cert: `of ${id}` } } }) };
}

/** What is on the disk of one machine, from one process to the next. */
interface Disk {
  id?: string | undefined;
  pair?: Pair | undefined;
  mark?: string | undefined;
}

async function start(cloud: FakeCloud, disk: Disk): Promise<Account> {
  const account = new Account({
    client: new ApiClient({
      baseUrl: () => "https://api.example.com",
      key: () => "2abcdefghijklmnopqrstuvwxyz_5ecretSecretSecret123",
      userAgent: "t",
      send: cloud.send,
    }),
    store: {
      load: () => Promise.resolve({ operatorId: disk.id, pair: disk.pair, problems: [] }),
      savePair: ({ cert, key }) => {
        const info = { serial: cert, notBefore: Date.now(), notAfter: Date.now() + 90 * DAY };
        disk.pair = { cert, key, info } as unknown as Pair;
        return Promise.resolve(disk.pair);
      },
      saveOperatorId: (id) => Promise.resolve(void (disk.id = id)),
      forgetOperatorId: () => Promise.resolve(void delete disk.id),
    },
    mark: {
      pending: () => Promise.resolve(disk.mark),
      begin: () => Promise.resolve(disk.mark = crypto.randomUUID()),
      end: () => Promise.resolve(void delete disk.mark),
    },
    createRequest: () => Promise.resolve({ key: "k", csr: "r" }),
    hasKey: () => true,
    selectors: () => ["true"],
  });
  await account.load();
  return account;
}

Deno.test("a registration that arrives after the next start has looked for it leaves one operator (it left two) (R39)", async () => {
  using clock = fakeClock();
  const [cloud, disk] = [new FakeCloud(), {} as Disk];
  let late: HttpRequest | undefined;
  cloud.intercept = (method, _path, request) => {
    if (method !== "POST" || late !== undefined) return undefined;
    late = request;
    return Promise.reject(new ApiError("Cannot reach it: killed", { status: 0, code: "unreachable" }));
  };
  const killed = await start(cloud, disk);
  await assert.rejects(killed.discover(NEVER), { code: "unreachable" });
  const account = await start(cloud, disk);
  await account.discover(NEVER);
  cloud.answer(late!);
  assert.equal(cloud.operators.size, 2);
  await clock.pass(MINUTE);
  await account.discover(NEVER);
  assert.equal(cloud.operators.size, 2, "it may still be on its way");
  await clock.pass(2 * MINUTE);
  await account.discover(NEVER);
  assert.deepEqual([...cloud.operators.keys()], [account.operatorId]);
  assert.deepEqual([disk.id, disk.mark], [account.operatorId, undefined]);
});

Deno.test("killed after the id was kept, the next start gets a certificate for that operator, whatever pair is there", async () => {
  using clock = fakeClock();
  const [cloud, disk] = [new FakeCloud(), {} as Disk];
  const first = await start(cloud, disk);
  await first.discover(NEVER);
  const ofFirst = disk.pair;
  cloud.operators.delete(first.operatorId!);
  const second = await start(cloud, disk);
  await second.discover(NEVER);
  Object.assign(disk, {
    pair: ofFirst,
    mark: JSON.parse(cloud.operators.get(second.operatorId!)!.metadata).mark,
  });
  const third = await start(cloud, disk);
  await third.discover(NEVER);
  assert.equal(third.pair?.cert, `of ${second.operatorId}`);
  assert.equal(disk.pair?.cert, `of ${second.operatorId}`);
  await clock.pass(3 * MINUTE);
  await third.discover(NEVER);
  assert.equal(disk.mark, undefined);
  assert.equal(cloud.requests.filter((request) => request.startsWith("POST")).length, 2);
});

Deno.test("an operator that is gone is replaced in the same poll, and the next one not before its time (F42)", async () => {
  using _clock = fakeClock();
  const [cloud, disk] = [new FakeCloud(), {} as Disk];
  const account = await start(cloud, disk);
  await account.discover(NEVER);
  cloud.operators.clear();
  await account.discover(NEVER);
  assert.deepEqual([...cloud.operators.keys()], [account.operatorId]);
  assert.equal(disk.pair?.cert, `of ${account.operatorId}`);
});

Deno.test("a 404 that the account's own list denies, or that cannot be confirmed, forgets no operator (a gateway's made a second one) (F42)", async () => {
  for (const listFails of [false, true]) {
    const [cloud, disk] = [new FakeCloud(), {} as Disk];
    const account = await start(cloud, disk);
    await account.discover(NEVER);
    const { operatorId } = account;
    cloud.intercept = (method, path) =>
      path.endsWith("/bound_endpoints") || (listFails && method === "GET")
        ? Promise.resolve(NOT_FOUND)
        : undefined;
    for (let time = 0; time < 3; time++) await assert.rejects(account.discover(NEVER), { status: 404 });
    cloud.intercept = () => undefined;
    await account.discover(NEVER);
    assert.deepEqual([account.operatorId, disk.id, [...cloud.operators.keys()]], [operatorId, operatorId, [
      operatorId,
    ]]);
  }
});

Deno.test("in an account with more operators than are read, the 404 alone decides (F42)", async () => {
  using _clock = fakeClock();
  const [cloud, disk] = [new FakeCloud(), {} as Disk];
  const account = await start(cloud, disk);
  await account.discover(NEVER);
  cloud.operators.clear();
  let page = 0;
  cloud.intercept = (method, path) =>
    method === "GET" && path === "/kubernetes_operators"
      ? Promise.resolve({
        status: 200,
        body: JSON.stringify({
          operators: [{ id: `k8sop_of_others_${++page}` }],
          next_page_uri: `?page=${page}`,
        }),
      })
      : undefined;
  await account.discover(NEVER);
  assert.deepEqual([...cloud.operators.keys()], [account.operatorId]);
});

Deno.test("an operator that is listed by its mark and is not there is given up after one try (it was tried for ever)", async () => {
  using _clock = fakeClock();
  const [cloud, disk] = [new FakeCloud(), {} as Disk];
  disk.mark = crypto.randomUUID();
  cloud.operators.set("k8sop_ghost", { metadata: JSON.stringify({ mark: disk.mark }) });
  cloud.intercept = (_method, path) => path.endsWith("/k8sop_ghost") ? Promise.resolve(NOT_FOUND) : undefined;
  const account = await start(cloud, disk);
  await assert.rejects(account.discover(NEVER), { status: 404 });
  await account.discover(NEVER);
  assert.equal(account.operatorId, "k8sop_1");
});

Deno.test("a long list does not hold up a renewal (one of 20 pages at 14 s let a certificate expire)", async () => {
  using _clock = fakeClock();
  const [cloud, disk] = [new FakeCloud(), {} as Disk];
  const account = await start(cloud, disk);
  await account.discover(NEVER);
  const list = Promise.withResolvers<Answer>();
  cloud.intercept = (_method, path) => path.endsWith("/bound_endpoints") ? list.promise : undefined;
  const polling = account.discover(NEVER);
  const { renewed } = await account.renew({ force: true, signal: NEVER });
  assert.equal(renewed, true);
  list.resolve({ status: 200, body: JSON.stringify({ endpoints: [], next_page_uri: null }) });
  assert.deepEqual((await polling)?.endpoints, []);
});
