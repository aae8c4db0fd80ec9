import assert from "node:assert/strict";
import { freePort } from "../../sim/daemon_harness.ts";
import { Stage } from "../../sim/stage.ts";
import { askUdp, TcpClient } from "../dns/client.ts";
import { FakeUpstream } from "../dns/fake_upstream.ts";
import { decode, message, nameOf, replyTo } from "../dns/messages.ts";

const HOST = "api.myapp";
const SERVER = "127.0.0.1";
const NAME = "page.evil.org";
const PUBLIC = "192.0.2.1";

// A page of evil.org could resolve its own name to an endpoint, and so talk to it.
Deno.test("an answer of an upstream server leads no foreign name to an endpoint (R80)", async () => {
  let address = PUBLIC;
  await using upstream = new FakeUpstream((request, transport) => [
    nameOf(request).startsWith("tcp") && transport === "udp"
      ? replyTo(request, { truncated: true })
      : replyTo(request, { addresses: [PUBLIC, address] }),
  ]);
  const port = freePort();
  await using stage = await Stage.open({
    dns: `enabled: true\nlisten: ${SERVER}:${port}\nupstream: ["${SERVER}:${upstream.port}"]`,
  });
  stage.cloud.addEndpoint({ url: `http://${HOST}:8181`, backend: "http" });
  stage.startDaemon();
  const [row] = await stage.active(1);
  const [endpoint] = row!.listen_address.split(":");
  const ask = async (name: string, server = port) =>
    decode(await askUdp(message({ name }), { port: server })).answers.map(({ data }) => data);
  assert.deepEqual(await ask(HOST), [endpoint]);
  for (const attack of [endpoint!, stage.network.address("7.7"), SERVER, "0.0.0.0", "169.254.169.254"]) {
    address = attack;
    assert.deepEqual(await ask(NAME), [PUBLIC]);
    assert.deepEqual(await ask("tcp.evil.org"), [PUBLIC], "the whole answer came by TCP");
    using client = await TcpClient.connect(port);
    const byTcp = decode((await client.exchange(message({ name: NAME })))!);
    assert.deepEqual(byTcp.answers.map(({ data }) => data), [PUBLIC]);
  }
  const lines = stage.log.filter((line) => line.includes(NAME));
  assert.equal(lines.length, 1, `logged once: ${lines}`);
  assert.match(lines[0]!, /add \\?"page\.evil\.org\\?" to dns\.allow_private/);

  address = endpoint!;
  await stage.editConfig("dns:\n", `dns:\n  allow_private: ["*.EVIL.org"]\n`);
  await stage.until("the name is allowed", async () => (await ask(NAME)).length === 2);
  assert.deepEqual(await ask(NAME), [PUBLIC, endpoint]);
});
