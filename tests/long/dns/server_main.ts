// The DNS server as a program of its own, for figures and fuzzing: 1,000 names, and the port of an upstream server if there is one. One
// JSON line says where it listens; it ends with its standard input.
import { DnsServer } from "../../../src/dns/server.ts";
import { Zone } from "../../../src/dns/zone.ts";
import { connectTcp, listenTcp } from "../../../src/system/net.ts";
import { writeOut } from "../../../src/system/terminal.ts";
import { listenUdp } from "../../../src/system/udp.ts";
import { benchNames } from "./names.ts";

const [upstreamPort] = Deno.args;
await using server = new DnsServer({
  listenUdp,
  listenTcp,
  connectTcp,
  allows: () => true,
  // The others of the loopback network stand for a LAN.
  isLocal: (address) => address === "127.0.0.1",
});
server.replaceZone(new Zone(benchNames()));
if (upstreamPort !== undefined) {
  server.replaceUpstreams([{ address: "127.0.0.1", port: Number(upstreamPort) }]);
}
const [binding] = server.rebind([{ address: "127.0.0.1", port: 0 }]);
if (binding?.problem !== undefined) throw binding.problem;
writeOut(`${JSON.stringify({ port: binding!.port })}\n`);
for await (const _ of Deno.stdin.readable);
