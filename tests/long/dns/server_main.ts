// The DNS server with 1,000 names as a program of its own. It prints its port as a line of JSON,
// and runs until its standard input ends. Usage: server_main.ts [PORT OF AN UPSTREAM DNS SERVER]
import { DnsServer } from "../../../src/dns/server.ts";
import { Zone } from "../../../src/dns/zone.ts";
import { connectTcp, listenTcp } from "../../../src/system/tcp.ts";
import { writeOut } from "../../../src/system/terminal.ts";
import { listenUdp } from "../../../src/system/udp.ts";
import { benchNames } from "./names.ts";

const [upstreamPort] = Deno.args;
await using server = new DnsServer({
  listenUdp,
  listenTcp,
  connectTcp,
  allows: () => true,
  // The other loopback addresses play the LAN.
  isLocal: (address) => address === "127.0.0.1",
  localAddress: () => undefined,
  allowsPrivate: () => false,
  onDropped: () => {},
});
server.replaceZone(new Zone(benchNames()));
if (upstreamPort !== undefined) {
  server.replaceUpstreams([{ address: "127.0.0.1", port: Number(upstreamPort) }]);
}
const [binding] = server.rebind([{ address: "127.0.0.1", port: 0 }]);
if (binding?.problem !== undefined) throw binding.problem;
writeOut(`${JSON.stringify({ port: binding!.port })}\n`);
for await (const _ of Deno.stdin.readable);
