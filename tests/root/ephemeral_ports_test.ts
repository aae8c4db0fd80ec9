import assert from "node:assert/strict";
import { Forwarder } from "../../src/forward/forwarder.ts";
import { RouteTable } from "../../src/model/route_table.ts";
import { connectTls } from "../../src/system/connect_tls.ts";
import { listenTcp } from "../../src/system/tcp.ts";
import { TestCa } from "../fakes/test_ca.ts";
import { echo, fakeIngress } from "../fakes/fake_ingress.ts";
import { readExactly, send } from "../fakes/memory_stream.ts";
import { route } from "../fakes/routes.ts";
import { until } from "../fakes/sockets.ts";
import { rootTests } from "./test_root.ts";

const test = rootTests(import.meta.url, {
  prelude: 'echo "40000 40099" > /proc/sys/net/ipv4/ip_local_port_range',
});

test("without ports for outgoing connections only new connections fail, and later none (F64)", async () => {
  const ca = await TestCa.create();
  const client = await ca.pair();
  await using ingress = fakeIngress(echo, { tls: await ca.pair() });
  await using forwarder = new Forwarder({
    listen: listenTcp,
    connect: connectTls,
    ingress: () => ({ hostname: "localhost", port: ingress.port }),
    clientPair: () => client,
    trust: () => [ca.pem],
  });
  const addresses = ["127.0.0.2", "127.0.0.3"];
  const ports = addresses.map((address) => forwarder.open({ address, port: 0 }));
  forwarder.setRoutes(
    new RouteTable(
      addresses.map((address, index) => route("tcp://a.test:7", { address, localPort: ports[index]! })),
    ),
  );
  const dial = (index: number) => Deno.connect({ hostname: addresses[index % 2]!, port: ports[index % 2]! });
  async function isServed(conn: Deno.TcpConn): Promise<boolean> {
    try {
      await send(conn, "x");
      return (await readExactly(conn, 1)).length === 1;
    } catch {
      return false;
    }
  }
  const conns = await Promise.all(Array.from({ length: 150 }, (_, index) => dial(index)));
  const served = await Promise.all(conns.map(isServed));
  const works = served.filter(Boolean).length;
  assert.ok(works >= 50 && works <= 100, `${works} of 150 were served`);
  const late = await dial(0);
  assert.equal(await isServed(late), false);
  const { state, error, hint } = forwarder.ingressHealth();
  assert.equal(state, "failing");
  assert.match(error!, /no local port is left/);
  assert.match(hint!, /ss -tn$/);
  for (const conn of [...conns, late]) conn.close();
  await until(() => forwarder.openConnections === 0);
  // The kernel keeps a port for a second after its connection.
  const end = Date.now() + 10_000;
  let inARow = 0;
  for (let count = 0; inARow < 20; count++) {
    using conn = await dial(count);
    if (await isServed(conn)) inARow++;
    else if (Date.now() < end) inARow = 0;
    else assert.fail("there is no port again");
  }
});
