import assert from "node:assert/strict";
import { DnsServer, type DnsServerOptions } from "../../src/dns/server.ts";
import { Zone } from "../../src/dns/zone.ts";
import type { BindError } from "../../src/model/errors.ts";
import { sleep } from "../../src/system/clock.ts";
import { connectTcp, listenTcp } from "../../src/system/tcp.ts";
import { nextTurn } from "../../src/system/turns.ts";
import { listenUdp } from "../../src/system/udp.ts";
import { captureLog } from "../fakes/captured_log.ts";
import { fakeClock } from "../fakes/fake_clock.ts";
import { untilRefused } from "../fakes/sockets.ts";
import { askUdp, TcpClient } from "./client.ts";
import { FakeUdp, idleListener } from "./fake_sockets.ts";
import { FakeUpstream } from "./fake_upstream.ts";
import { decode, type Decoded, message, nameOf, opt, replyTo, TYPES } from "./messages.ts";

const OURS = ["10.107.0.1"];

function zone(names: Readonly<Record<string, string | undefined>>): Zone {
  return new Zone(Object.entries(names).map(([hostname, address]) => ({ hostname, address })));
}

/** A server with the names a.example.com and here.example.com. */
function serverOf(options: Partial<DnsServerOptions> = {}): DnsServer {
  const server = new DnsServer({
    listenUdp,
    listenTcp,
    connectTcp,
    allows: () => true,
    isLocal: () => true,
    localAddress: () => undefined,
    allowsPrivate: () => false,
    onDropped: () => {},
    ...options,
  });
  server.replaceZone(zone({ "a.example.com": OURS[0], "here.example.com": undefined }));
  return server;
}

function bound(server: DnsServer): number {
  const [binding] = server.rebind([{ address: "127.0.0.1", port: 0 }]);
  assert.equal(binding!.problem, undefined);
  return binding!.port;
}

async function ask(
  port: number,
  where: { name?: string; server?: string; from?: string } = {},
): Promise<Decoded> {
  const { name = "a.example.com", ...rest } = where;
  return decode(await askUdp(message({ name }), { port, ...rest }));
}

async function askTcp(client: TcpClient, name = "a.example.com"): Promise<Decoded> {
  return decode((await client.exchange(message({ name })))!);
}

function data({ answers }: Decoded): unknown[] {
  return answers.map(({ data }) => data);
}

/** A server with a fake socket only. */
function fakeServer(options: Partial<DnsServerOptions> = {}) {
  const socket = new FakeUdp();
  const server = serverOf({ listenUdp: () => socket, listenTcp: idleListener, ...options });
  server.rebind([{ address: "127.0.0.1", port: 53 }]);
  return { server, socket };
}

Deno.test("DnsServer answers by UDP and TCP on the same port, from the address of the query (F52)", async () => {
  await using server = serverOf();
  const addresses = ["127.0.0.1", "127.0.0.2", "127.9.8.7"];
  const name = "here.example.com";
  for (const { address, port } of server.rebind(addresses.map((address) => ({ address, port: 0 })))) {
    assert.deepEqual(data(await ask(port, { server: address })), OURS);
    assert.deepEqual(data(await ask(port, { server: address, name })), [address]);
    using client = await TcpClient.connect(port, address);
    assert.deepEqual(data(await askTcp(client, name)), [address]);
  }
});

Deno.test("DnsServer reports an address in use, binds the others, and retries on demand (F53)", async () => {
  await using server = serverOf();
  for (const hold of ["udp", "tcp"]) {
    const tcp = listenTcp({ address: "127.0.0.1", port: 0 });
    const { port } = tcp;
    const udp = listenUdp({ address: "127.0.0.1", port });
    (hold === "udp" ? tcp : udp).close();
    const wanted = [{ address: "127.0.0.1", port }, { address: "127.0.0.2", port }];
    const [held, free] = server.rebind(wanted);
    assert.equal(held!.problem?.message, `Cannot bind 127.0.0.1:${port}: address is in use`);
    assert.equal((held!.problem as BindError).reason, "in_use");
    assert.equal(free!.problem, undefined);
    assert.deepEqual(data(await ask(port, { server: "127.0.0.2" })), OURS);
    (hold === "udp" ? udp : tcp).close();
    const [again, kept] = server.rebind(wanted);
    assert.deepEqual([again!.problem, kept], [undefined, free]);
    assert.deepEqual(data(await ask(port)), OURS);
  }
});

Deno.test("DnsServer binds and closes only changed addresses, and keeps connections (F54)", async () => {
  await using logged = await captureLog();
  const opened: string[] = [];
  await using server = serverOf({
    listenUdp(where) {
      opened.push(where.address);
      return listenUdp(where);
    },
  });
  const addresses = ["127.0.0.1", "127.0.0.2", "127.0.0.3"];
  const [one, two, three] = addresses.map((address) => ({ address, port: 0 }));
  const [first, second] = server.rebind([one!, two!]);
  using client = await TcpClient.connect(first!.port);
  using leaving = await TcpClient.connect(second!.port, "127.0.0.2");
  await askTcp(leaving);
  const [same, third] = server.rebind([one!, three!]);
  assert.equal(same!.port, first!.port);
  assert.deepEqual(opened, addresses);
  assert.deepEqual(data(await askTcp(client)), OURS);
  assert.deepEqual(data(await askTcp(leaving)), OURS);
  assert.deepEqual(data(await ask(third!.port, { server: "127.0.0.3" })), OURS);
  listenUdp({ address: "127.0.0.2", port: second!.port }).close();
  assert.deepEqual(server.rebind([]), []);
  await untilRefused(first!.port);
  assert.equal(logged.lines("info").length, 6);
});

Deno.test("DnsServer answers names during 50 changes of the zone under queries (F56)", async () => {
  await using server = serverOf();
  const port = bound(server);
  let done = false;
  async function queries(): Promise<number> {
    let count = 0;
    for (; !done; count++) assert.deepEqual(data(await ask(port)), OURS);
    return count;
  }
  const running = [queries(), queries(), queries()];
  for (let count = 0; count < 50; count++) {
    const name = `new${count}.example.com`;
    server.replaceZone(zone({ [name]: "10.107.0.9", "a.example.com": OURS[0] }));
    assert.deepEqual(data(await ask(port, { name })), ["10.107.0.9"]);
  }
  done = true;
  const counts = await Promise.all(running);
  assert.ok(counts.every((count) => count > 10), `${counts}`);
  assert.equal((await ask(port, { name: "new1.example.com" })).rcode, "SERVFAIL", "it was replaced");
});

Deno.test("DnsServer forwards other names, and replies SERVFAIL if no server answers", async () => {
  await using upstream = new FakeUpstream((request, transport) => {
    const addresses = Array.from({ length: 60 }, (_, index) => `192.0.2.${index}`);
    return [replyTo(request, transport === "tcp" ? { addresses } : { truncated: true })];
  });
  await using server = serverOf();
  server.replaceUpstreams([upstream]);
  const port = bound(server);
  const name = "Big.org";
  const plain = await ask(port, { name });
  assert.deepEqual([plain.flag_tc, plain.answers.length, plain.questions[0]!.name], [true, 30, name]);
  const edns = decode(await askUdp(message({ name, additional: [opt({ size: 4096 })] }), { port }));
  assert.deepEqual([edns.flag_tc, edns.answers.length], [false, 60]);
  using client = await TcpClient.connect(port);
  assert.equal((await askTcp(client, name)).answers.length, 60);
  server.replaceUpstreams([{ address: "127.0.0.1", port }]);
  const own = await ask(port, { name: "loop.org" });
  assert.deepEqual([own.rcode, own.flag_ra], ["SERVFAIL", true], "it never asks itself");
  server.replaceUpstreams([]);
  assert.equal((await ask(port, { name })).rcode, "SERVFAIL");
});

// A malformed reply looked like a silent server, and so did a client with too many queries.
Deno.test("DnsServer says why it cannot forward, in the extended error and the log (R94)", async () => {
  await using logged = await captureLog();
  await using upstream = new FakeUpstream((request) => {
    if (nameOf(request) === "silent.org") return [];
    const reply = replyTo(request, { addresses: ["192.0.2.1"] });
    reply[7] = 9;
    return [reply];
  });
  await using server = serverOf({ ...ONE_IS_LOCAL, limits: { idleMs: 500 } });
  server.replaceZone(zone({ "a.example.com": OURS[0] }));
  server.replaceUpstreams([upstream]);
  const port = bound(server);
  const additional = [opt()];
  const errorOf = (reply: Uint8Array) => {
    const text = new TextDecoder().decode(reply);
    return /no upstream DNS server answered|upstream DNS reply is malformed|too many queries/.exec(text)?.[0];
  };
  for (const parts of [{ name: "other.org" }, { name: "a.example.com", type: TYPES.MX }]) {
    const reply = await askUdp(message({ ...parts, additional }), { port });
    assert.deepEqual([decode(reply).rcode, errorOf(reply)], ["SERVFAIL", "upstream DNS reply is malformed"]);
  }
  using greedy = await TcpClient.connect(port);
  const silent = (id: number) => message({ name: "silent.org", id, type: 1000 + id, additional });
  await greedy.ask(...Array.from({ length: 65 }, (_, id) => silent(id)));
  assert.equal(errorOf((await greedy.next())!), "too many queries");
  const malformed = "Cannot use the reply of an upstream DNS server: it is malformed or too long";
  assert.deepEqual(logged.lines("debug").filter((line) => line.startsWith("Cannot")), [
    ...[malformed, malformed],
    "Cannot forward a DNS query: too many queries at once",
  ]);
});

// Each of the 1,024 slots may have such a reply at the same time.
Deno.test("DnsServer filters one long forwarded reply in one turn of the event loop (R78)", async () => {
  const sockets: FakeUdp[] = [];
  let filtered = 0;
  const { server } = fakeServer({
    listenUdp: (where) => sockets[sockets.push(new FakeUdp(where)) - 1]!,
    localAddress: () => "127.0.0.1",
    onDropped: () => filtered++,
  });
  server.replaceUpstreams([{ address: "10.0.0.1", port: 53 }]);
  const [own] = sockets;
  for (let id = 0; id < 20; id++) own!.deliver(message({ name: `n${id}.org`, id }), "127.0.0.1", 5000 + id);
  while (sockets.length < 21) await nextTurn();
  const addresses = Array(60).fill("192.0.2.1");
  for (const socket of sockets.slice(1)) {
    socket.deliver(replyTo(socket.sent[0]!.data, { addresses }), "10.0.0.1", 53);
  }
  for (let before = 0; filtered < 20; before = filtered) {
    await nextTurn();
    assert.ok(filtered - before <= 2, `${filtered - before} in one turn`);
  }
  await server[Symbol.asyncDispose]();
});

Deno.test("DnsServer answers its own names while an upstream server is silent", async () => {
  await using silent = new FakeUpstream(() => []);
  const server = serverOf();
  server.replaceUpstreams([silent]);
  const port = bound(server);
  using client = await TcpClient.connect(port);
  await client.ask(message({ name: "slow.org", id: 1 }), message({ id: 2 }));
  assert.equal(decode((await client.next())!).id, 2, "out of order");
  assert.deepEqual(data(await ask(port)), OURS);
  await server[Symbol.asyncDispose]();
  await assert.rejects(connectTcp({ address: "127.0.0.1", port }, new AbortController().signal));
});

Deno.test("DnsServer ignores a client that is not allowed, by UDP and TCP", async () => {
  const asked: string[] = [];
  await using server = serverOf({
    allows(address) {
      asked.push(address);
      return address === "127.0.0.1";
    },
  });
  const port = bound(server);
  const stranger = listenUdp({ address: "127.0.0.5", port: 0 });
  const allowed = listenUdp({ address: "127.0.0.1", port: 0 });
  for (const name of ["a.example.com", "other.org"]) {
    await stranger.send(message({ name }), { hostname: "127.0.0.1", port });
    await allowed.send(message({ name }), { hostname: "127.0.0.1", port });
    assert.ok((await allowed.receive(new Uint8Array(512)))[0].length > 12);
  }
  // The server handles datagrams in order, so a reply to the stranger would arrive before this one.
  const marker = new Uint8Array([1, 2, 3]);
  await allowed.send(marker, { hostname: "127.0.0.5", port: stranger.port });
  assert.deepEqual((await stranger.receive(new Uint8Array(512)))[0], marker);
  stranger.close();
  allowed.close();
  assert.deepEqual(asked, ["127.0.0.5", "127.0.0.1", "127.0.0.5", "127.0.0.1"]);
  await using closed = serverOf({ allows: () => false });
  using client = await TcpClient.connect(bound(closed));
  assert.equal(await client.next(), undefined);
});

// Containers copy the nameserver line of the host, and waited 5 s for each name.
Deno.test("DnsServer refuses clients of its private networks that are not allowed, 200 a second", async () => {
  using time = fakeClock();
  const { server, socket } = fakeServer({
    allows: () => false,
    isLocal: () => false,
    isNeighbour: (address) => address.startsWith("172.17."),
  });
  const query = message({ additional: [opt()] });
  socket.deliver(query, "198.51.100.7");
  socket.deliver(new Uint8Array(12), "172.17.0.2");
  socket.deliver(message({ flags: [0x81, 0x80] }), "172.17.0.2");
  for (let count = 0; count < 300; count++) socket.deliver(query, "172.17.0.2");
  for (let turns = 0; turns < 20; turns++) await time.pass(0);
  assert.equal(socket.sent.length, 198);
  for (const { data, peer } of socket.sent) {
    assert.deepEqual([decode(data).rcode, peer.hostname], ["REFUSED", "172.17.0.2"]);
    assert.ok(data.length <= query.length);
  }
  await server[Symbol.asyncDispose]();
});

Deno.test("DnsServer does not answer queries with its own address as the forged sender (F48)", async () => {
  using time = fakeClock();
  const { server, socket } = fakeServer();
  socket.deliver(message({ id: 1 }), "127.0.0.1", 53);
  socket.deliver(message({ id: 2 }), "127.0.0.1", 54);
  socket.deliver(message({ id: 3, flags: [0x81, 0x80] }), "127.0.0.1", 54);
  await time.pass(0);
  assert.deepEqual(socket.sent.map(({ data }) => decode(data).id), [2]);
  await server[Symbol.asyncDispose]();
});

Deno.test("DnsServer limits answers to a network, but not to this machine (R15)", async () => {
  using time = fakeClock();
  const { server, socket } = fakeServer({ isLocal: (address) => address.startsWith("127.") });
  const query = message({ type: TYPES.AAAA, additional: [opt()] });
  for (let count = 0; count < 400; count++) {
    socket.deliver(query, `192.168.1.${count % 100}`);
    socket.deliver(query, "127.0.0.1");
  }
  for (let count = 0; count < 10; count++) {
    socket.deliver(new Uint8Array(count), "192.168.1.7");
    socket.deliver(message({ questions: 2 }), "192.168.1.7");
    socket.deliver(message({ flags: [0x28, 0] }), "192.168.1.7");
  }
  // The server answers a flood in several turns of the event loop.
  for (let turns = 0; turns < 20; turns++) {
    await time.pass(0);
    await nextTurn();
  }
  const toNetwork = socket.sent.filter(({ peer }) => peer.hostname !== "127.0.0.1");
  const truncated = toNetwork.filter(({ data }) => decode(data).flag_tc);
  const whole = toNetwork.length - truncated.length;
  assert.deepEqual([socket.sent.length - toNetwork.length, whole, truncated.length], [400, 200, 200]);
  for (const { data } of truncated) assert.ok(data.length <= query.length, "no larger than the query");
  await server[Symbol.asyncDispose]();
});

Deno.test("DnsServer closes its TCP listener if opening the UDP socket throws", async () => {
  let closed = 0;
  await using server = serverOf({
    listenTcp: () => ({ ...idleListener(), close: () => void closed++ }),
    listenUdp() {
      throw new TypeError("a defect");
    },
  });
  assert.throws(() => server.rebind([{ address: "127.0.0.1", port: 53 }]), TypeError);
  assert.equal(closed, 1);
});

const LOCAL = "127.0.0.5";
const OTHER = "127.0.0.1";
/** Treats 127.0.0.1, the address of every TCP client, as another machine. */
const ONE_IS_LOCAL = { isLocal: (address: string) => address === LOCAL };

Deno.test("DnsServer gives other machines only the names that are shared with them", async () => {
  await using upstream = new FakeUpstream();
  await using server = serverOf(ONE_IS_LOCAL);
  const shared = { "shared.example.com": "192.168.1.1" };
  server.replaceZone(zone({ ...shared, "a.example.com": OURS[0] }), { others: zone(shared) });
  const port = bound(server);
  using client = await TcpClient.connect(port);
  const outcome = (reply: Decoded) => data(reply).join() || reply.rcode;
  const both = async (from: string, name: string) => {
    const byUdp = outcome(await ask(port, { name, from }));
    if (from === OTHER) assert.equal(outcome(await askTcp(client, name)), byUdp);
    return byUdp;
  };
  assert.equal(await both(LOCAL, "a.example.com"), OURS[0]);
  assert.equal(await both(OTHER, "a.example.com"), "SERVFAIL");
  server.replaceUpstreams([upstream]);
  assert.equal(await both(OTHER, "a.example.com"), "192.0.2.1");
  for (const from of [LOCAL, OTHER]) assert.equal(await both(from, "shared.example.com"), "192.168.1.1");
});

// A musl before 1.2.4 has no TCP: for it a truncated reply is no reply.
Deno.test("DnsServer gives other machines whole answers up to 512 bytes or their EDNS size (R93)", async () => {
  await using upstream = new FakeUpstream((request) => {
    const count = Number(nameOf(request).split(".")[0]!.slice(1));
    const addresses = Array.from({ length: count }, () => "192.0.2.1");
    return [replyTo(request, { addresses })];
  });
  await using server = serverOf(ONE_IS_LOCAL);
  server.replaceUpstreams([upstream]);
  const port = bound(server);
  // The reply has 33 or 34 octets, and 16 for each address. With EDNS at most 1232 octets are sent.
  const rows: [count: number, size: number | undefined, answers: number][] = [
    [3, undefined, 3],
    [20, undefined, 20],
    [29, undefined, 29],
    [30, undefined, 29],
    [60, 1232, 60],
    [60, 512, 29],
    [74, 1232, 74],
    [80, 4096, 74],
  ];
  for (const [count, size, answers] of rows) {
    const name = `n${count}.example.org`;
    const query = message({ name, additional: size === undefined ? [] : [opt({ size })] });
    for (const from of [LOCAL, OTHER]) {
      const got = decode(await askUdp(query, { port, from }));
      const row = `${count} addresses, EDNS ${size}, ${from}`;
      assert.deepEqual([got.answers.length, got.flag_tc], [answers, answers < count], row);
    }
  }
  using client = await TcpClient.connect(port);
  assert.equal((await askTcp(client, "n80.example.org")).answers.length, 80);
});

Deno.test("DnsServer forwards for this machine while a neighbour uses all its slots (R21)", async () => {
  await using upstream = new FakeUpstream((request) =>
    nameOf(request).startsWith("slow") ? [] : [replyTo(request, { addresses: ["192.0.2.1"] })]
  );
  await using server = serverOf({ ...ONE_IS_LOCAL, limits: { idleMs: 500 } });
  server.replaceUpstreams([upstream]);
  const port = bound(server);
  const outcome = async (from: string) => {
    const reply = await ask(port, { name: "fast.org", from });
    return data(reply)[0] ?? reply.rcode;
  };
  using greedy = await TcpClient.connect(port);
  await greedy.ask(...Array.from({ length: 100 }, (_, id) => message({ name: `slow${id}.org`, id })));
  for (let count = 64; count < 100; count++) {
    assert.equal(decode((await greedy.next())!).rcode, "SERVFAIL");
  }
  assert.equal(await outcome(LOCAL), "192.0.2.1");
  // Its own newest query takes the slot of its oldest once that is 200 ms old.
  let last: unknown;
  for (let tries = 0; tries < 100 && last !== "192.0.2.1"; tries++) {
    await sleep(20);
    last = await outcome(OTHER);
  }
  assert.equal(last, "192.0.2.1");
});
