import assert from "node:assert/strict";
import { DnsServer } from "../../src/dns/server.ts";
import { Zone } from "../../src/dns/zone.ts";
import { closeQuietly } from "../../src/system/byte_stream.ts";
import { connectTcp, listenTcp } from "../../src/system/tcp.ts";
import { listenUdp } from "../../src/system/udp.ts";
import { askUdp, TcpClient } from "../dns/client.ts";
import { decode, message } from "../dns/messages.ts";

const HOST = "api.myapp";
const HOSTNAME = "127.0.0.1";
const ADDRESS = "10.107.0.2";
const CONNECTIONS = 31;
const HONEST_QUERIES = 50;
const MOST_HONEST_QUERIES = 20_000;

/** A DNS server that accepts connections only once it is released, and counts their queries. */
function pausedServer(upstreamPort: number) {
  const released = Promise.withResolvers<void>();
  const counted = { queries: 0 };
  const server = new DnsServer({
    listenUdp,
    listenTcp(where) {
      const listener = listenTcp(where);
      return {
        key: listener.key,
        port: listener.port,
        accept: () => released.promise.then(() => listener.accept()),
        close: () => listener.close(),
      };
    },
    connectTcp,
    allows: () => true,
    isLocal(address) {
      if (address === HOSTNAME) counted.queries++;
      return true;
    },
    localAddress: () => undefined,
    allowsPrivate: () => false,
    onDropped: () => {},
  });
  server.replaceZone(new Zone([{ hostname: HOST, address: ADDRESS }]));
  server.replaceUpstreams([{ address: HOSTNAME, port: upstreamPort }]);
  const [{ port } = { port: 0 }] = server.rebind([{ address: HOSTNAME, port: 0 }]);
  return { server, port, counted, release: released.resolve };
}

// Honest queries waited for all others: the next bytes of these connections are always there. The
// order of service is tested, because a time depends on the other work of the machine.
for (
  const { title, nameOf, perConnection } of [
    { title: "a name of ours", nameOf: () => HOST, perConnection: 4000 },
    { title: "foreign names", nameOf: (index: number) => `n${index}.a.org`, perConnection: 1000 },
  ]
) {
  for (const transport of ["UDP", "TCP"]) {
    Deno.test(`an honest query by ${transport} overtakes connections that pipeline ${title} (R78)`, async () => {
      using clients = new DisposableStack();
      const silent = clients.adopt(listenUdp({ address: HOSTNAME, port: 0 }), closeQuietly);
      const { server, port, counted, release } = pausedServer(silent.port);
      await using _server = server;
      using honest = await TcpClient.connect(port);
      for (let index = 0; index < CONNECTIONS; index++) {
        const client = clients.use(await TcpClient.connect(port));
        await client.ask(
          ...Array.from(
            { length: perConnection },
            (_, id) => message({ name: nameOf(id * CONNECTIONS + index), id }),
          ),
        );
      }
      release();
      const overtaken: number[] = [];
      // On a busy machine the honest queries could end before the attack begins.
      const isDue = (id: number) => counted.queries <= HONEST_QUERIES && id < MOST_HONEST_QUERIES;
      for (let id = 0; id < HONEST_QUERIES || isDue(id); id++) {
        const before = counted.queries;
        const query = message({ name: HOST, id });
        const reply = transport === "UDP"
          ? await askUdp(query, { port, from: "127.0.0.5" })
          : (await honest.exchange(query))!;
        assert.equal(decode(reply).answers[0]!.data, ADDRESS);
        overtaken.push(counted.queries - before);
      }
      const [most, all] = [Math.max(...overtaken), CONNECTIONS * perConnection];
      assert.ok(counted.queries > HONEST_QUERIES, "the attack goes on");
      assert.ok(most < all / 3, `waited for ${most} of ${all} hostile queries`);
    });
  }
}
