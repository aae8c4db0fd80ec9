import assert from "node:assert/strict";
import { DnsServer } from "../../src/dns/server.ts";
import { Zone } from "../../src/dns/zone.ts";
import { connectTcp, listenTcp } from "../../src/system/tcp.ts";
import { listenUdp } from "../../src/system/udp.ts";
import { askUdp } from "../dns/client.ts";
import { decode, message } from "../dns/messages.ts";
import { captureLog } from "../fakes/captured_log.ts";
import { runProgram, shell } from "./commands.ts";
import { Lan } from "./lan.ts";
import { Neighbour } from "./neighbour.ts";
import { rootTests } from "./test_root.ts";

const HERE = "127.0.0.1";
const PORT = 53;
const COUNT = 50;

const test = rootTests(import.meta.url);

function openServer(...addresses: string[]): DnsServer {
  const server = new DnsServer({
    ...{ listenUdp, listenTcp, connectTcp },
    allows: () => true,
    isLocal: (address) => address.startsWith("127."),
    localAddress: () => undefined,
    allowsPrivate: () => false,
    onDropped: () => {},
  });
  server.replaceZone(new Zone([{ hostname: "a.example.com", address: undefined }]));
  for (const { problem } of server.rebind(addresses.map((address) => ({ address, port: PORT })))) {
    assert.equal(problem, undefined);
  }
  return server;
}

/**
 * A datagram to the server with its own IP and UDP headers (RFC 791, RFC 768). The kernel fills in
 * the checksums of IP.
 */
function forged(from: { address: string; port: number }, data: Uint8Array): Uint8Array {
  const length = 8 + data.length;
  const packet = new Uint8Array(20 + length);
  packet.set([0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0]);
  packet.set([...from.address.split("."), ...HERE.split(".")].map(Number), 12);
  packet.set([from.port >> 8, from.port & 255, PORT >> 8, PORT & 255, length >> 8, length & 255], 20);
  packet.set(data, 28);
  return packet;
}

/** Sends raw packets with Perl, because Deno has no raw sockets. */
async function sendRaw(packets: readonly Uint8Array[]): Promise<void> {
  const program = `use Socket; socket(S, AF_INET, SOCK_RAW, 255) or die $!;
    while (<STDIN>) { chomp; send(S, pack("H*", $_), 0, sockaddr_in(0, inet_aton("${HERE}"))) or die $! }`;
  const { code, stderr } = await runProgram(
    ["perl", "-e", program],
    packets.map((bytes) => `${bytes.toHex()}\n`).join(""),
  );
  assert.equal(code, 0, stderr);
}

/** The UDP datagrams that sockets received and sent, without raw ones, and the ICMP errors. */
async function counters(): Promise<{ received: number; sent: number; errors: number }> {
  const lines = (await shell("cat /proc/net/snmp")).split("\n").map((line) => line.split(" "));
  const valueOf = (protocol: string, name: string) => {
    const [names, values] = lines.filter(([first]) => first === `${protocol}:`);
    return Number(values![names!.indexOf(name)]);
  };
  return {
    received: valueOf("Udp", "InDatagrams"),
    sent: valueOf("Udp", "OutDatagrams"),
    errors: valueOf("Icmp", "InDestUnreachs"),
  };
}

async function assertAnswers(): Promise<void> {
  const reply = decode(await askUdp(message({}), { port: PORT }));
  assert.deepEqual(reply.answers.map(({ data }) => data), [HERE]);
}

/** Sends packets and then a good query; returns the counters without those of the good query. */
async function exchange(packets: readonly Uint8Array[]): Promise<Awaited<ReturnType<typeof counters>>> {
  const before = await counters();
  await sendRaw(packets);
  await assertAnswers();
  const { received, sent, errors } = await counters();
  return {
    received: received - before.received - 2,
    sent: sent - before.sent - 2,
    errors: errors - before.errors,
  };
}

test("the DNS server ignores forged datagrams from port 0 and from itself, and empty ones (F47, F48)", async () => {
  await using logged = await captureLog();
  await using _server = openServer(HERE, "127.0.0.2");
  await assertAnswers();
  const query = message({});
  const senders = [
    { address: HERE, port: 0 },
    { address: "127.0.0.3", port: 0 },
    { address: HERE, port: PORT },
    { address: "127.0.0.2", port: PORT },
  ];
  for (const sender of senders) {
    const packets = Array.from({ length: COUNT }, () => forged(sender, query));
    assert.deepEqual(
      await exchange(packets),
      { received: COUNT, sent: 0, errors: 0 },
      JSON.stringify(sender),
    );
  }
  const silent = [new Uint8Array(), new Uint8Array(11), message({ flags: [0x81, 0x80] })];
  for (const data of silent) {
    const packets = Array.from({ length: COUNT }, () => forged({ address: HERE, port: 4000 }, data));
    assert.deepEqual(await exchange(packets), { received: COUNT, sent: 0, errors: 0 }, data.toHex());
  }
  assert.deepEqual(logged.lines("warning"), []);
});

test("the DNS server survives ICMP errors for forged senders, and huge datagrams (F47, F49)", async () => {
  await using logged = await captureLog();
  await using _server = openServer(HERE);
  const packets = Array.from({ length: COUNT }, () => forged({ address: HERE, port: 4000 }, message({})));
  assert.deepEqual(await exchange(packets), { received: COUNT, sent: COUNT, errors: COUNT });
  const huge = new Uint8Array(65_507);
  huge.set(message({}));
  for (let count = 0; count < 5; count++) {
    assert.equal(decode(await askUdp(huge, { port: PORT })).rcode, "FORMERR");
  }
  await assertAnswers();
  assert.deepEqual(logged.lines("warning"), []);
});

test("each of three addresses on two interfaces answers a neighbour (F52)", async () => {
  const other = new Lan();
  await other.create(other.cidr(1));
  await using neighbour = await Neighbour.open({
    routes: (lan) => [`${other.cidr(0)} via ${lan.address(1)}`],
  });
  const { lan } = neighbour;
  await shell(`/sbin/ip address add ${lan.cidr(3)} dev ${lan.link}`);
  const addresses = [lan.address(1), lan.address(3), other.address(1)];
  await using _server = openServer(...addresses);
  for (const address of addresses) {
    for (const transport of ["+notcp", "+tcp"]) {
      const argv = ["dig", "+short", "+tries=1", "+time=5", transport, `@${address}`, "a.example.com"];
      for (let count = 0; count < 2; count++) assert.equal(await neighbour.succeeds(argv), `${address}\n`);
    }
  }
});
