import assert from "node:assert/strict";
import { renderBlock } from "../../src/names/hosts/hosts_block.ts";
import { type FakeMachine, fakeMachine } from "./fake_machine.ts";
import { listOf, statusLine, statusOf, withDaemon } from "./with_daemon.ts";

const USER = "127.0.0.1 localhost\n";
const HOSTILE = [
  "http://evil.myapp\n6.6.6.6 bank.example",
  "http://evil.myapp\r\n6.6.6.6\tbank.example",
  "http://evil.myapp%0a6.6.6.6",
  "http://evil.myapp 6.6.6.6",
  "http://evil.myapp#",
  "http://# END ngrokd managed section",
  "http://../../etc/cron.d/evil",
  "http://sub/../../evil.myapp",
  "http://evil.myapp\u0000",
  "http://evil\u2028myapp",
  "http://evil\u202emyapp",
  "http://\u0435vil.myapp",
  "http://evil..myapp",
  "http://-evil.myapp",
  `http://${"e".repeat(64)}.myapp`,
  `http://${"e.".repeat(130)}myapp`,
  "http://6.6.6.6",
  "http://0x06060606",
  "http://[::1]",
  "http://$(touch evil).myapp",
  "http://*.*.evil.myapp",
  "http://evil.myapp:0",
  "http://evil.myapp:65536",
  "ftp://evil.myapp",
  "tcp://evil.myapp",
  "http://localhost:8381",
  "http://api.ngrok.com.localhost:8381",
  "http://ip6-loopback:8381",
];

/** The machine with an API that lists these endpoints too, before its own (newest first) or after them. */
function listing(machine: FakeMachine, entries: readonly unknown[]): FakeMachine {
  const { sendHttp } = machine.system;
  const system: FakeMachine["system"] = {
    ...machine.system,
    async sendHttp(request) {
      const response = await sendHttp(request);
      if (!request.url.toString().includes("/bound_endpoints")) return response;
      const page = JSON.parse(response.body);
      return { ...response, body: JSON.stringify({ ...page, endpoints: [...page.endpoints, ...entries] }) };
    },
  };
  return { ...machine, system };
}

Deno.test("runDaemon() refuses and lists every name that is none, and not a byte of it comes into the hosts file (F46)", async () => {
  await using plain = await fakeMachine("net: {subnet: 127.137.0.0/16}");
  const machine = listing(plain, HOSTILE.map((url, index) => ({ id: `ep_evil${index}`, url })));
  const path = `${machine.directory}/hosts`;
  await Deno.writeTextFile(path, USER);
  machine.cloud.addEndpoint({ url: "http://good.myapp:8381", backend: "http" });
  await withDaemon(machine, async () => {
    await machine.until("all are listed", async () => (await listOf(machine)).length === HOSTILE.length + 1);
    const rows = await listOf(machine);
    const refused = rows.filter((row) => row.state === "refused");
    assert.equal(refused.length, HOSTILE.length);
    for (const { reason, url } of refused) {
      assert.ok(reason !== "" && /^[^\p{Cc}\u2028-\u202e]*$/u.test(reason + url), url);
    }
    const good = rows.find((row) => row.state === "active")!;
    assert.match(await statusLine(good), / 200 /);
    assert.equal((await statusOf(machine)).endpoint_count, 1);
    assert.equal(
      await Deno.readTextFile(path),
      `${USER}\n${renderBlock(new Map([["good.myapp", good.ip]]))}`,
    );
    const log = machine.out.join("");
    assert.doesNotMatch(log, /^6\.6\.6\.6/m);
    assert.equal(log.split("Refused ").length - 1, HOSTILE.length);
  });
  assert.equal(await Deno.readTextFile(path), USER);
});

Deno.test("runDaemon() lets the oldest of several endpoints have a name and port, in whatever spelling and order, and says who has it (F45)", async () => {
  await using plain = await fakeMachine("net: {subnet: 127.138.0.0/16}");
  const id = plain.cloud.addEndpoint({ url: "http://a.x:8382", backend: "http" }).id;
  // Younger ones, of the same kind and of another; the API lists them in any order.
  const others = [
    { id: `${id}b`, url: "http://A.x:8382" },
    { id: `${id}c`, url: "http://a.x.:8382/" },
    { id: `${id}d`, url: "tcp://a.X:8382" },
    { id: `${id}e`, url: "tls://a.x:8382" },
  ];
  for (const entries of [others, [...others].reverse()]) {
    const machine = listing(plain, entries);
    await withDaemon(machine, async () => {
      await machine.until("all are listed", async () => (await listOf(machine)).length === 5);
      const rows = new Map((await listOf(machine)).map((row) => [row.id, row]));
      const states = [id, ...others.map((other) => other.id)].map((own) => rows.get(own)!.state);
      assert.deepEqual(states, ["active", "active", "active", "refused", "refused"]);
      for (const loser of ["d", "e"]) {
        assert.equal(
          rows.get(`${id}${loser}`)!.reason,
          `http://a.x:8382 (${id}) is older and has the same name and port`,
        );
      }
      for (const own of [id, `${id}b`, `${id}c`]) {
        assert.equal(rows.get(own)!.listen_address, rows.get(id)!.listen_address);
      }
      assert.match(await statusLine(rows.get(id)!), / 200 /);
      const hosts = await Deno.readTextFile(`${machine.directory}/hosts`);
      assert.equal(hosts, renderBlock(new Map([["a.x", rows.get(id)!.ip]])));
    });
  }
});
