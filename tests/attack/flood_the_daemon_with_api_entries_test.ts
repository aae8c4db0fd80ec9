import assert from "node:assert/strict";
import { Stage } from "../../sim/stage.ts";
import { processFigures } from "../../bench/process_figures.ts";

/** The largest answer that the daemon reads has 4 MiB. */
const SIZE = 4 * 1024 * 1024 - 100;
/** The time in which the daemon receives and refuses such an answer. */
const READ_MS = 1500;

/** An API that answers as the simulated cloud does, but lists what the attacker wants. */
class HostileApi implements AsyncDisposable {
  list: string | undefined;
  /** The number of hostile lists that were sent. */
  sent = 0;
  sentAt = 0;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor(cloudUrl: string) {
    this.#server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
      const { pathname, search } = new URL(request.url);
      if (this.list !== undefined && pathname.endsWith("/bound_endpoints")) {
        this.sent++;
        this.sentAt = performance.now();
        return new Response(this.list);
      }
      const { method, headers } = request;
      const body = method === "GET" ? null : await request.text();
      const answer = await fetch(cloudUrl + pathname + search, { method, headers, body });
      return new Response(answer.status === 204 ? null : await answer.text(), { status: answer.status });
    });
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

/** Pages that took seconds and gigabytes to read, or that overflow a stack. The first is parsed. */
function hostileLists(): readonly string[] {
  const [begin, end] = ['{"next_page_uri":null,"endpoints":[', "]}"];
  const repeat = (entry: string) => begin + entry.repeat(SIZE / entry.length - 10) + "{}" + end;
  const key = "k".repeat(SIZE / 45_000 - 15);
  const entries = Array.from(
    { length: 900 },
    (_, entry) => `{${Array.from({ length: 50 }, (_, n) => `"${key}${entry}_${n}":1`).join()}}`,
  );
  return [
    begin + entries.join() + end,
    repeat("{},"),
    repeat('{"id":"a","url":"b"},'),
    repeat("["),
    begin + Array(900).fill(`[${"0,".repeat(8000)}0]`).join(",") + end,
    `{${'"a":1,'.repeat(SIZE / 6 - 10)}"endpoints":[]}`,
  ];
}

/** Makes the daemon poll at once, whatever its back-off is, by another interval. */
async function pollNow(stage: Stage, seconds: number): Promise<void> {
  await stage.editConfig(/poll_interval: [0-9]+/, `poll_interval: ${seconds}`);
  Deno.kill(stage.pid, "SIGHUP");
}

// With 16 MiB the second blocked the event loop for 27 s and took 3.3 GB.
Deno.test("lists of millions of entries neither block the daemon nor fill its memory (R71)", async () => {
  await using stage = await Stage.open({ pollSeconds: 30 });
  await using api = new HostileApi(stage.cloud.apiUrl);
  await stage.editConfig(`url: ${stage.cloud.apiUrl}`, `url: ${api.url}`);
  stage.cloud.addEndpoint({ url: "tcp://db.internal:8183", backend: "echo" });
  stage.startDaemon();
  await stage.active(1);
  const before = await processFigures(stage.pid);
  let [last, longestMs, peakMiB] = [before, 0, 0];
  for (const [index, list] of hostileLists().entries()) {
    api.list = list;
    await pollNow(stage, 10 + index);
    await stage.until(`the end of poll ${index}`, async () => {
      const response = await fetch(`http://127.0.0.1:${stage.healthPort}/health`);
      assert.equal(await response.text(), "healthy\n");
      const now = await processFigures(stage.pid);
      longestMs = Math.max(longestMs, (now.cpuSeconds - last.cpuSeconds) * 1000);
      peakMiB = Math.max(peakMiB, now.rssMiB);
      last = now;
      return api.sent > index && performance.now() > api.sentAt + READ_MS;
    });
  }
  // What the daemon does while the request waits: a busy machine makes the wait itself longer.
  assert.ok(longestMs < 500, `an honest request waited for ${longestMs} ms of other work`);
  assert.ok(peakMiB - before.rssMiB < 300, `the memory grew from ${before.rssMiB} to ${peakMiB} MiB`);
  const status = await stage.askStatus();
  assert.equal(status.active_count, 1);
  assert.match(status.api.error!, /too large|nested/);
  api.list = undefined;
  await pollNow(stage, 30);
  await stage.until("a good poll", async () => (await stage.askStatus()).api.state === "ok");
});
