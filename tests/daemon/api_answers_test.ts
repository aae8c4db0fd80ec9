import assert from "node:assert/strict";
import { type HttpRequest, sendHttp } from "../../src/system/http.ts";
import type { Fault } from "../../sim/cloud/faults.ts";
import { fakeMachine } from "./fake_machine.ts";
import { pollUntil, serving } from "./serving.ts";
import { statusOf, withDaemon } from "./with_daemon.ts";

const MIB = 1 << 20;
const LIST = "bound_endpoints.list";

/** The most memory that the process has while `task` runs, beyond what it had before. */
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

const ANSWERS: readonly (readonly [name: string, fault: Fault, says: RegExp])[] = [
  ["500 with HTML", { kind: "html", status: 500 }, /answered 500$/],
  ["200 with HTML", { kind: "html", status: 200 }, /is not JSON$/],
  ["an empty 200", { kind: "empty_body" }, /is not JSON$/],
  [
    "JSON that is cut off",
    { kind: "text_body", text: '{"endpoints":[{"id":"ep_1","url":"ht' },
    /is not JSON$/,
  ],
  ["JSON that is no list", { kind: "text_body", text: '{"endpoints":{}}' }, /is not a page of the list$/],
  ["JSON that ends in the middle of the connection", { kind: "cut_body", bytes: 40 }, /^Cannot reach http:/],
  ["17 MiB", { kind: "huge_body", bytes: 17 * MIB }, /is larger than 16777216 bytes$/],
];

Deno.test("runDaemon() rejects each answer that is no list as a whole, keeps and serves all, and says what it was (F38)", async () => {
  await using machine = await fakeMachine("net: {subnet: 127.124.0.0/16}");
  const { cloud } = machine;
  cloud.addEndpoint({ url: "http://api.myapp:8351", backend: "http" });
  await withDaemon(machine, async () => {
    const { stays } = await serving(machine);
    for (const [name, fault, says] of ANSWERS) {
      cloud.faults.set({ ...fault, route: LIST });
      const { error } = await pollUntil(
        machine,
        ({ state, error }) => state !== "ok" && says.test(error ?? ""),
      );
      assert.match(error!, /^Cannot /);
      await stays(name);
      cloud.faults.clear();
      await pollUntil(machine, ({ state }) => state === "ok");
    }
  });
});

Deno.test("runDaemon() cuts a body of 1 GiB and a gzip bomb at 16 MiB, in memory of that order (F38)", async () => {
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
  await using machine = await fakeMachine("net: {subnet: 127.125.0.0/16}", {
    sendHttp(request) {
      const url = `http://127.0.0.1:${server.addr.port}/`;
      return sendHttp(isArmed && request.url.endsWith("/bound_endpoints") ? { ...request, url } : request);
    },
  });
  const { cloud } = machine;
  cloud.addEndpoint({ url: "http://api.myapp:8352", backend: "http" });
  await withDaemon(machine, async () => {
    const { stays } = await serving(machine);
    const isCut = () => pollUntil(machine, ({ error }) => /is larger than 16777216 bytes$/.test(error ?? ""));
    cloud.faults.set({ kind: "huge_body", bytes: 1024 * MIB, route: LIST });
    const forGib = await memoryOf(isCut);
    await stays("1 GiB");
    cloud.faults.clear();
    await pollUntil(machine, ({ state }) => state === "ok");
    isArmed = true;
    const forBomb = await memoryOf(isCut);
    await stays("the bomb");
    isArmed = false;
    await pollUntil(machine, ({ state }) => state === "ok");
    const [gib, gzip] = [forGib, forBomb].map((bytes) => Math.round(bytes / MIB));
    assert.ok(gib! < 128 && gzip! < 128, `${gib} MiB for 1 GiB, ${gzip} MiB for the bomb`);
  });
  await server.shutdown();
});

Deno.test("runDaemon() gives each request of a poll 15 s, and keeps all when an answer drips or never comes (F38)", async () => {
  const limits = new Set<number>();
  await using machine = await fakeMachine("net: {subnet: 127.126.0.0/16}", {
    // A hundredth, so that the test need not wait.
    sendHttp(request: HttpRequest) {
      limits.add(request.timeoutMs);
      return sendHttp({ ...request, timeoutMs: request.timeoutMs / 100 });
    },
  });
  const { cloud } = machine;
  cloud.addEndpoint({ url: "http://api.myapp:8353", backend: "http" });
  await withDaemon(machine, async () => {
    const { stays } = await serving(machine);
    for (const fault of [{ kind: "slow_body", msPerByte: 100 }, { kind: "never_answer" }] as const) {
      cloud.faults.set({ ...fault, route: LIST });
      const { error } = await pollUntil(machine, ({ state }) => state === "unreachable");
      assert.match(error!, /^Cannot get an answer from http:.*: none in 0\.15 s$/);
      await stays(fault.kind);
      cloud.faults.clear();
      await pollUntil(machine, ({ state }) => state === "ok");
    }
  });
  assert.deepEqual([...limits], [15_000]);
});

Deno.test("runDaemon() keeps and serves all while its key is refused, says so, shows it no more, and takes another at once (F36)", async () => {
  await using machine = await fakeMachine("net: {subnet: 127.127.0.0/16}");
  const { cloud, configPath } = machine;
  cloud.addEndpoint({ url: "http://api.myapp:8354", backend: "http" });
  await withDaemon(machine, async () => {
    const { stays } = await serving(machine);
    const fresh = cloud.addApiKey();
    for (const status of [403, 401]) {
      const first = cloud.requests().length;
      cloud.faults.set({
        kind: "error",
        status,
        code: "ERR_NGROK_203",
        message: "The API key is not valid.",
      });
      await machine.until("it is refused", async () => (await statusOf(machine)).api.state === "key_refused");
      const { api } = await statusOf(machine);
      assert.ok(
        api.error!.endsWith(`answered ${status} (ERR_NGROK_203): "The API key is not valid."`),
        api.error!,
      );
      assert.match(api.hint!, /^Set another key: ngrokctl set-api-key/);
      await stays(`${status}`);
      // What is no change of the key or of the API is no reason to ask.
      const text = await Deno.readTextFile(configPath);
      for (const level of ["debug", "info"]) {
        machine.out.length = 0;
        await Deno.writeTextFile(configPath, text.replace(/^server:/m, `server:\n  log_level: ${level}`));
        machine.signal("SIGHUP");
        await machine.until("it has reloaded", () => machine.out.join("").includes("Configuration reloaded"));
      }
      await Deno.writeTextFile(configPath, text);
      await stays("after a reload");
      const refused = cloud.requests().slice(first).filter((request) => request.status === status);
      assert.equal(refused.length, 1);
      cloud.faults.clear();
      const answer = await machine.ask("set-api-key", [status === 403 ? fresh : cloud.apiKey]);
      assert.equal(answer.success, true, answer.error);
      assert.equal((await statusOf(machine)).api.state, "ok");
    }
  });
});

Deno.test("runDaemon() whose operators are never found registers once in a step of a back-off, and keeps listeners, addresses and names (F42)", async () => {
  await using machine = await fakeMachine("net: {subnet: 127.128.0.0/16}");
  const { cloud } = machine;
  cloud.addEndpoint({ url: "http://api.myapp:8355", backend: "http" });
  await withDaemon(machine, async () => {
    const { stays } = await serving(machine);
    cloud.faults.set(
      { kind: "error", status: 404, code: "ERR_NGROK_100", route: LIST },
      { kind: "empty_list", route: "operators.list" },
    );
    const { error } = await pollUntil(machine, ({ error }) => error?.startsWith("Cannot register") ?? false);
    assert.match(error!, /the last operator was not found, the next try is in \d+ s$/);
    for (let time = 0; time < 5; time++) {
      await machine.ask("set-api-key", [cloud.apiKey]);
      await stays("polled");
    }
    assert.equal(cloud.operators().length, 2, "the first, and one for the step");
  });
});
