import assert from "node:assert/strict";
import { type HttpRequest, sendHttp } from "../../src/system/http.ts";
import type { Fault } from "../../sim/cloud/faults.ts";
import { pollUntil, whileServing } from "./served_endpoint.ts";

const MIB = 1 << 20;
const LIST = "bound_endpoints.list";
const TOO_LARGE = /is larger than 4194304 bytes$/;

/** The growth of the process's memory while `task` runs, in bytes. */
async function memoryOf(task: () => Promise<unknown>): Promise<number> {
  const before = Deno.memoryUsage().rss;
  let most = before;
  const timer = setInterval(() => most = Math.max(most, Deno.memoryUsage().rss), 5);
  try {
    await task();
  } finally {
    clearInterval(timer);
  }
  return most - before;
}

const ANSWERS: readonly (readonly [name: string, fault: Fault, expected: RegExp])[] = [
  ["500 with HTML", { kind: "html", status: 500 }, /answered 500$/],
  ["200 with HTML", { kind: "html", status: 200 }, /is not JSON$/],
  ["an empty 200", { kind: "empty_body" }, /is not JSON$/],
  ["incomplete JSON", { kind: "text_body", text: '{"endpoints":[{"id":"ep_1","url":"ht' }, /is not JSON$/],
  ["JSON without a list", { kind: "text_body", text: '{"endpoints":{}}' }, /is not a page of the list$/],
  ["a connection that ends early", { kind: "cut_body", bytes: 40 }, /^Cannot reach http:/],
  ["5 MiB", { kind: "huge_body", bytes: 5 * MIB }, TOO_LARGE],
];

Deno.test("runDaemon() rejects an answer that is not a list, keeps serving, and reports it (F38)", async () => {
  await whileServing(async ({ machine, cloud: { faults }, assertServed }) => {
    for (const [name, fault, expected] of ANSWERS) {
      faults.set({ ...fault, route: LIST });
      const { error } = await pollUntil(
        machine,
        ({ state, error }) => state !== "ok" && expected.test(error ?? ""),
      );
      assert.match(error!, /^Cannot /);
      await assertServed(name);
      faults.clear();
      await pollUntil(machine, ({ state }) => state === "ok");
    }
  });
});

Deno.test("runDaemon() stops reading 1 GiB and a gzip bomb at 4 MiB, with little memory (F38)", async () => {
  const zeros = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(controller) {
      for (let mib = 0; mib < 256; mib++) controller.enqueue(new Uint8Array(MIB));
      controller.close();
    },
  });
  const bomb = await new Response(zeros.pipeThrough(new CompressionStream("gzip"))).arrayBuffer();
  assert.ok(bomb.byteLength < MIB, `${bomb.byteLength}`);
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => new Response(bomb, { headers: { "Content-Encoding": "gzip" } }),
  );
  let isArmed = false;
  function sendOrBomb(request: HttpRequest) {
    const url = `http://127.0.0.1:${server.addr.port}/`;
    return sendHttp(isArmed && request.url.endsWith("/bound_endpoints") ? { ...request, url } : request);
  }
  await whileServing(async ({ machine, cloud: { faults }, assertServed }) => {
    const untilTooLarge = () => pollUntil(machine, ({ error }) => TOO_LARGE.test(error ?? ""));
    const untilOk = () => pollUntil(machine, ({ state }) => state === "ok");
    faults.set({ kind: "huge_body", bytes: 1024 * MIB, route: LIST });
    const forGib = await memoryOf(untilTooLarge);
    await assertServed("1 GiB");
    faults.clear();
    await untilOk();
    isArmed = true;
    const forBomb = await memoryOf(untilTooLarge);
    await assertServed("the bomb");
    isArmed = false;
    await untilOk();
    const [gib, gzip] = [forGib, forBomb].map((bytes) => Math.round(bytes / MIB));
    assert.ok(gib! < 128 && gzip! < 128, `${gib} MiB for 1 GiB, ${gzip} MiB for the bomb`);
  }, (machine) => machine.override({ sendHttp: sendOrBomb }));
  await server.shutdown();
});

Deno.test("runDaemon() waits 15 s for each page, and keeps serving if an answer is slow or missing (F38)", async () => {
  const limits = new Set<number>();
  function sendQuickly(request: HttpRequest) {
    limits.add(request.timeoutMs);
    // A hundredth of the limit keeps the test short.
    return sendHttp({ ...request, timeoutMs: request.timeoutMs / 100 });
  }
  await whileServing(async ({ machine, cloud: { faults }, assertServed }) => {
    for (const fault of [{ kind: "slow_body", msPerByte: 100 }, { kind: "never_answer" }] as const) {
      faults.set({ ...fault, route: LIST });
      const { error } = await pollUntil(machine, ({ state }) => state === "unreachable");
      assert.match(error!, /^Cannot get a response from http:.*: no response within 0\.15 s$/);
      await assertServed(fault.kind);
      faults.clear();
      await pollUntil(machine, ({ state }) => state === "ok");
    }
  }, (machine) => machine.override({ sendHttp: sendQuickly }));
  assert.deepEqual([...limits], [15_000]);
});

Deno.test("runDaemon() serves while its key is refused, sends it once, and takes another at once (F36)", async () => {
  await whileServing(async ({ machine, cloud, assertServed }) => {
    const { configPath } = machine;
    const fresh = cloud.addApiKey();
    for (const status of [403, 401]) {
      const first = cloud.requests().length;
      const message = "The API key is not valid.";
      cloud.faults.set({ kind: "error", status, code: "ERR_NGROK_203", message });
      await machine.until(
        "a refused key",
        async () => (await machine.askStatus()).api.state === "key_refused",
      );
      const { api } = await machine.askStatus();
      assert.ok(api.error!.endsWith(`answered ${status} (ERR_NGROK_203): "${message}"`), api.error!);
      assert.match(api.hint!, /^Set another key: ngrokctl set-api-key/);
      await assertServed(`${status}`);
      // A reload that changes neither key nor API is no reason for a request.
      const text = await Deno.readTextFile(configPath);
      for (const level of ["debug", "info"]) {
        machine.log.length = 0;
        await Deno.writeTextFile(configPath, text.replace(/^server:/m, `server:\n  log_level: ${level}`));
        machine.signal("SIGHUP");
        await machine.untilLogged("Configuration reloaded");
      }
      await Deno.writeTextFile(configPath, text);
      await assertServed("after a reload");
      const refused = cloud.requests().slice(first).filter((request) => request.status === status);
      assert.equal(refused.length, 1);
      cloud.faults.clear();
      const answer = await machine.request("set-api-key", [status === 403 ? fresh : cloud.apiKey]);
      assert.equal(answer.success, true, answer.error);
      assert.equal((await machine.askStatus()).api.state, "ok");
    }
  });
});

Deno.test("runDaemon() backs off between registrations while no operator is found, and serves (F42)", async () => {
  await whileServing(async ({ machine, cloud, assertServed }) => {
    cloud.faults.set(
      { kind: "error", status: 404, code: "ERR_NGROK_100", route: LIST },
      { kind: "empty_list", route: "operators.list" },
    );
    const { error } = await pollUntil(machine, ({ error }) => error?.startsWith("Cannot register") ?? false);
    assert.match(error!, /the API does not list the last operator; retrying in \d+ s$/);
    for (let time = 0; time < 5; time++) {
      await machine.request("set-api-key", [cloud.apiKey]);
      await assertServed("after a poll");
    }
    assert.equal(cloud.operators().length, 2, "the first one, and one more for the first delay");
  });
});
