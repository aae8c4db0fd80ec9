import assert from "node:assert/strict";
import { hostileMessage } from "../../scripts/dns/hostile.ts";
import { benchNames } from "../../scripts/dns/names.ts";
import { startServer } from "../../scripts/dns/server_process.ts";
import { listenUdp } from "../../src/system/udp.ts";
import { SeededRandom } from "../cloud/seeded_random.ts";
import { askUdp } from "./client.ts";
import { decode, message } from "./messages.ts";

const FLOOD_MS = 1000;
const [{ hostname, address }] = benchNames() as [{ hostname: string; address: string }];

/** Asks as a resolver does: three times, a second apart. */
async function ask(port: number, id: number): Promise<boolean> {
  for (let attempt = 0; attempt < 3; attempt++) {
    const reply = askUdp(message({ name: hostname, id }), { port, from: "127.0.0.9", timeoutMs: 1000 });
    const bytes = await reply.catch(() => undefined);
    if (bytes !== undefined) return decode(bytes).answers[0]?.data === address;
  }
  return false;
}

Deno.test("A flood of junk and random names leaves the good queries of another client their answers (F50)", async () => {
  await using stack = new AsyncDisposableStack();
  const { child, port } = await startServer(stack);
  const random = new SeededRandom(6);
  const junk = Array.from({ length: 1000 }, () => hostileMessage(random).subarray(0, 512));
  const names = junk.map((_, index) => message({ name: `r${index}.example`, id: index }));
  let flooding = true;
  let sent = 0;
  async function flood(messages: readonly Uint8Array[]): Promise<void> {
    const socket = listenUdp({ address: "127.0.0.1", port: 0 });
    while (flooding) {
      for (const bytes of messages) await socket.send(bytes, { hostname: "127.0.0.1", port });
      sent += messages.length;
    }
    socket.close();
  }
  const floods = [flood(junk), flood(names)];
  let good = 0;
  let asked = 0;
  for (const end = performance.now() + FLOOD_MS; performance.now() < end; asked++) {
    if (await ask(port, asked)) good++;
  }
  flooding = false;
  await Promise.all(floods);
  await child.assertRunning();
  assert.ok(sent > 2000, `${sent} in the flood`);
  assert.ok(good >= 0.99 * asked, `${good} of ${asked}`);
});
