import assert from "node:assert/strict";
import { hostileMessage } from "../long/dns/hostile.ts";
import { benchNames } from "../long/dns/names.ts";
import { startServer } from "../long/dns/server_process.ts";
import { listenUdp } from "../../src/system/udp.ts";
import { SeededRandom } from "../../sim/cloud/seeded_random.ts";
import { askUdp, TcpClient } from "./client.ts";
import { decode, message } from "./messages.ts";

const [{ hostname, address }] = benchNames() as [{ hostname: string; address: string }];

/** Asks like a resolver: three times with a pause of 1 s, and by TCP if the reply is truncated. */
async function ask(port: number, options: { id: number; from: string }): Promise<boolean> {
  const { id, from } = options;
  const query = message({ name: hostname, id });
  for (let attempt = 0; attempt < 3; attempt++) {
    let bytes = await askUdp(query, { port, from, timeoutMs: 1000 }).catch(() => undefined);
    if (bytes !== undefined && decode(bytes).flag_tc) {
      using client = await TcpClient.connect(port);
      bytes = await client.exchange(query);
    }
    if (bytes !== undefined) return decode(bytes).answers[0]?.data === address;
  }
  return false;
}

Deno.test("A flood of junk and random names does not stop good queries, even from its network (F50)", async () => {
  await using stack = new AsyncDisposableStack();
  const { child, port } = await startServer(stack);
  const random = new SeededRandom(6);
  const junk = Array.from({ length: 1000 }, () => hostileMessage(random).subarray(0, 512));
  const names = junk.map((_, index) => message({ name: `r${index}.example`, id: index }));
  let flooding = true;
  let sent = 0;
  async function flood(messages: readonly Uint8Array[]): Promise<void> {
    const socket = listenUdp({ address: "127.1.1.1", port: 0 });
    for (; flooding; sent++) {
      await socket.send(messages[sent % messages.length]!, { hostname: "127.0.0.1", port });
      // About 10,000 a second; more would be dropped by the kernel before our server sees them.
      if (sent % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 2));
    }
    socket.close();
  }
  const floods = [flood(junk), flood(names)];
  while (sent < 1000) await new Promise((resolve) => setTimeout(resolve, 1));
  for (const { from, count } of [{ from: "127.2.2.2", count: 150 }, { from: "127.1.1.9", count: 50 }]) {
    let good = 0;
    for (let id = 0; id < count; id++) if (await ask(port, { id, from })) good++;
    assert.ok(good >= 0.99 * count, `${good} of ${count} from ${from}`);
  }
  flooding = false;
  await Promise.all(floods);
  await child.assertRunning();
});
