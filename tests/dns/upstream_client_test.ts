import assert from "node:assert/strict";
import { type Query, readQuery } from "../../src/dns/query.ts";
import {
  type QueryClient,
  UpstreamClient,
  type UpstreamClientOptions,
} from "../../src/dns/upstream_client.ts";
import { connectTcp, type TcpAddress } from "../../src/system/tcp.ts";
import { listenUdp } from "../../src/system/udp.ts";
import { fakeClock } from "../fakes/fake_clock.ts";
import { until } from "../fakes/sockets.ts";
import { FakeUdp } from "./fake_sockets.ts";
import { type Answers, FakeUpstream } from "./fake_upstream.ts";
import { decode, message, type MessageParts, opt, replyTo } from "./messages.ts";

const SERVERS = [{ address: "10.0.0.1", port: 53 }, { address: "10.0.0.2", port: 5353 }];

const LOCAL: QueryClient = { holder: 1, isLocal: true, isUdp: true };

function query(parts: MessageParts = {}): Query {
  return readQuery(message({ name: "Other.org", ...parts }))!;
}

function upstreamOf(
  servers: readonly TcpAddress[],
  options: Partial<UpstreamClientOptions> = {},
): UpstreamClient {
  const upstream = new UpstreamClient({
    listenUdp,
    connectTcp,
    isOwn: () => false,
    totalMs: 2000,
    nextMs: 20,
    ...options,
  });
  upstream.servers = servers;
  return upstream;
}

function addresses(reply: Uint8Array | undefined): unknown[] {
  assert.ok(reply !== undefined, "no reply");
  return decode(reply).answers.map(({ data }) => data);
}

for (const address of ["127.0.0.1", "::1"]) {
  Deno.test(`UpstreamClient asks ${address} with a random id and port, and returns the id of the query`, () =>
    asksAtRandom(address));
}

async function asksAtRandom(address: string): Promise<void> {
  await using server = new FakeUpstream(undefined, { address });
  using upstream = upstreamOf([server]);
  for (let count = 0; count < 20; count++) {
    const reply = await upstream.query(query({ id: count }), LOCAL);
    assert.deepEqual([decode(reply!).id, addresses(reply)], [count, ["192.0.2.1"]]);
  }
  const ids = new Set(server.requests.map(({ bytes }) => decode(bytes).id));
  const ports = new Set(server.requests.map(({ port }) => port));
  assert.ok(ids.size > 15, `${ids.size} ids`);
  assert.ok(ports.size > 15, `${ports.size} ports`);
  const questions = server.requests.map(({ bytes }) => decode(bytes).questions[0]!.name);
  assert.ok(new Set(questions).size > 10, "the case is random");
}

Deno.test("UpstreamClient sends the question in random case, RD, AD, CD and its own EDNS record", async () => {
  await using server = new FakeUpstream();
  using upstream = upstreamOf([server]);
  const options = [0, 8, 0, 7, 0, 1, 24, 0, 10, 1, 2];
  await upstream.query(
    query({ flags: [0x07, 0xff], additional: [opt({ size: 65_535, flags: 0xffff, options })] }),
    LOCAL,
  );
  await upstream.query(query({ flags: [0, 0] }), LOCAL);
  const [rich, poor] = server.requests.map(({ bytes }) => decode(bytes));
  assert.equal(rich!.questions[0]!.name.toLowerCase(), "other.org");
  assert.deepEqual([rich!.flag_rd, rich!.flag_ad, rich!.flag_cd], [true, true, true]);
  assert.deepEqual([rich!.flag_aa, rich!.flag_tc, rich!.flag_ra, rich!.flag_z, rich!.rcode], [
    false,
    false,
    false,
    false,
    "NOERROR",
  ]);
  const [edns] = rich!.additionals;
  assert.deepEqual([edns!.udpPayloadSize, edns!.flags, edns!.options?.length], [1232, 0x8000, 0]);
  assert.deepEqual([poor!.flag_rd, poor!.additionals.length], [false, 0]);
});

Deno.test("UpstreamClient accepts only a reply with the id and the question of the request", async () => {
  await using server = new FakeUpstream((request) => {
    const wrongId = replyTo(request, { addresses: ["6.6.6.1"] });
    wrongId[0]! ^= 1;
    const noReply = replyTo(request, { addresses: ["6.6.6.3"] });
    noReply[2]! &= 0x7f;
    const twoQuestions = replyTo(request, { addresses: ["6.6.6.4"] });
    twoQuestions[5] = 2;
    const short = replyTo(request).subarray(0, 11);
    return [wrongId, noReply, twoQuestions, short, replyTo(request, { addresses: ["192.0.2.7"] })];
  });
  using upstream = upstreamOf([server]);
  assert.deepEqual(addresses(await upstream.query(query(), LOCAL)), ["192.0.2.7"]);
});

Deno.test("UpstreamClient accepts no reply from an address that it did not ask", async () => {
  using time = fakeClock();
  const socket = new FakeUdp();
  using upstream = upstreamOf(SERVERS, { listenUdp: () => socket });
  const asked = upstream.query(query(), LOCAL);
  await time.pass(0);
  const request = socket.sent[0]!.data;
  socket.deliver(replyTo(request, { addresses: ["6.6.6.1"] }), "10.0.0.3", 53);
  socket.deliver(replyTo(request, { addresses: ["6.6.6.2"] }), "10.0.0.1", 54);
  socket.deliver(replyTo(request, { addresses: ["6.6.6.3"] }), "10.0.0.2", 5353);
  await time.pass(0);
  socket.deliver(replyTo(request, { addresses: ["192.0.2.1"] }), "10.0.0.1", 53);
  await time.pass(0);
  assert.deepEqual(addresses(await asked), ["192.0.2.1"]);
});

Deno.test("UpstreamClient asks the next server after 1.5 s, in a circle, and gives up after 5 s", async () => {
  using time = fakeClock();
  const socket = new FakeUdp();
  using upstream = new UpstreamClient({ listenUdp: () => socket, connectTcp, isOwn: () => false });
  upstream.servers = SERVERS;
  let result: unknown = "waiting";
  const waiting = upstream.query(query(), LOCAL)!.then((reply) => result = reply);
  await time.pass(1499);
  assert.equal(socket.sent.length, 1);
  await time.pass(1);
  await time.pass(3000);
  const asked = socket.sent.map(({ peer }) => ({ address: peer.hostname, port: peer.port }));
  assert.deepEqual(asked, [...SERVERS, ...SERVERS]);
  await time.pass(499);
  assert.equal(result, "waiting");
  await time.pass(1);
  await waiting;
  assert.equal(result, undefined);
  assert.ok(socket.closed);
});

Deno.test("UpstreamClient accepts a late reply of the first server while it waits for the second", async () => {
  using time = fakeClock();
  const socket = new FakeUdp();
  using upstream = upstreamOf(SERVERS, { listenUdp: () => socket });
  const asked = upstream.query(query(), LOCAL);
  await time.pass(30);
  assert.equal(socket.sent.length, 2);
  socket.deliver(replyTo(socket.sent[0]!.data, { addresses: ["192.0.2.1"] }), "10.0.0.1", 53);
  await time.pass(0);
  assert.deepEqual(addresses(await asked), ["192.0.2.1"]);
});

Deno.test("UpstreamClient asks the next server at once after a failure, and returns the first failure", async () => {
  await using refuses = new FakeUpstream((request) => [replyTo(request, { rcode: 5 })]);
  // The second reply of a failed server does not count.
  await using fails = new FakeUpstream((request) => Array(2).fill(replyTo(request, { rcode: 2 })));
  await using good = new FakeUpstream();
  using patient = upstreamOf([refuses, fails, good], { nextMs: 60_000, totalMs: 60_000 });
  assert.deepEqual(addresses(await patient.query(query(), LOCAL)), ["192.0.2.1"]);
  patient.servers = [refuses, fails];
  assert.equal(decode((await patient.query(query(), LOCAL))!).rcode, "REFUSED");
  await using missing = new FakeUpstream((request) => [replyTo(request, { rcode: 3 })]);
  patient.servers = [missing, good];
  assert.equal(decode((await patient.query(query(), LOCAL))!).rcode, "NXDOMAIN", "this is no failure");
});

Deno.test("UpstreamClient skips servers that cannot be reached", async () => {
  const socket = new FakeUdp();
  socket.onSend = (request, peer) => {
    if (peer.hostname === "10.0.0.1") throw new Deno.errors.NetworkUnreachable("no route");
    socket.deliver(replyTo(request, { addresses: ["192.0.2.9"] }), "10.0.0.2", 5353);
  };
  using upstream = upstreamOf(SERVERS, { listenUdp: () => socket });
  assert.deepEqual(addresses(await upstream.query(query(), LOCAL)), ["192.0.2.9"]);
});

Deno.test("UpstreamClient asks IPv4 and IPv6 servers in their order, by UDP and TCP (R94)", async () => {
  const cut: Answers = (request, transport) => [
    transport === "udp"
      ? replyTo(request, { truncated: true })
      : replyTo(request, { addresses: ["192.0.2.6"] }),
  ];
  await using six = new FakeUpstream(cut, { address: "::1" });
  await using four = new FakeUpstream();
  using upstream = upstreamOf([six, four]);
  assert.deepEqual(addresses(await upstream.query(query(), LOCAL)), ["192.0.2.6"]);
  assert.deepEqual(six.requests.map(({ transport }) => transport), ["udp", "tcp"]);
  await using silent = new FakeUpstream(() => [], { address: "::1" });
  for (const servers of [[silent, four], [four, silent]]) {
    upstream.servers = servers;
    assert.deepEqual(addresses(await upstream.query(query(), LOCAL)), ["192.0.2.1"]);
  }
  assert.equal(silent.requests.length, 1);
});

Deno.test("UpstreamClient asks the next server at once on a machine without IPv6", async () => {
  await using server = new FakeUpstream();
  using upstream = upstreamOf([{ address: "2001:db8::1", port: 53 }, server], {
    ...{ nextMs: 60_000, totalMs: 60_000 },
    listenUdp(where) {
      if (where.address === "::") throw new Deno.errors.AddrNotAvailable("no IPv6");
      return listenUdp(where);
    },
  });
  assert.deepEqual(addresses(await upstream.query(query(), LOCAL)), ["192.0.2.1"]);
});

/** A name for which the random case makes no difference. */
const NO_LETTERS = "1.2";

// Only the first server was skipped at once, and only in the first round.
Deno.test("UpstreamClient pauses for no server without a route, wherever it is and again (R94)", async () => {
  using time = fakeClock();
  for (const order of [["no", "lost", "yes"], ["lost", "no", "yes"], ["no", "no", "lost", "yes"]]) {
    const socket = new FakeUdp();
    const sent: string[] = [];
    const name = new Map(order.map((kind, index) => [`10.0.0.${index}`, kind]));
    let round = 0;
    socket.onSend = (data, { hostname }) => {
      sent.push(name.get(hostname)!);
      if (name.get(hostname) === "no") throw new Deno.errors.NetworkUnreachable("no route");
      // Both packets of the first round are lost.
      if (name.get(hostname) === "yes" && ++round === 2) {
        socket.deliver(replyTo(data, { addresses: ["192.0.2.1"] }), hostname, 53);
      }
    };
    using upstream = upstreamOf([...name.keys()].map((address) => ({ address, port: 53 })), {
      ...{ listenUdp: () => socket, nextMs: 1500, totalMs: 60_000 },
    });
    const asked = upstream.query(query({ name: NO_LETTERS }), LOCAL)!;
    let isOver = false;
    void asked.then(() => isOver = true);
    await time.pass(4499);
    assert.equal(isOver, false);
    await time.pass(1);
    assert.deepEqual(addresses(await asked), ["192.0.2.1"], `${order}: ${sent}`);
    assert.deepEqual(sent.filter((kind) => kind !== "no"), ["lost", "yes", "lost", "yes"]);
  }
});

Deno.test("UpstreamClient ends at the failure of the only servers that have a route, and else retries", async () => {
  using time = fakeClock();
  const socket = new FakeUdp();
  let isDown = true;
  socket.onSend = (data, { hostname }) => {
    if (isDown || hostname === "10.0.0.2") throw new Deno.errors.NetworkUnreachable("no route");
    socket.deliver(replyTo(data, { rcode: 2 }), hostname, 53);
  };
  using upstream = upstreamOf(SERVERS.map(({ address }) => ({ address, port: 53 })), {
    ...{ listenUdp: () => socket, nextMs: 1500, totalMs: 60_000 },
  });
  const asked = upstream.query(query({ name: NO_LETTERS }), LOCAL)!;
  await time.pass(1499);
  isDown = false;
  let reply: Uint8Array | undefined;
  void asked.then((received) => reply = received);
  // One asks the first server again, the other one finds that only the second one has no route.
  await time.pass(1501);
  assert.equal(decode(reply!).rcode, "SERVFAIL");
});

Deno.test("UpstreamClient takes no reply of a wrong IPv6 address or port, and one without a zone", async () => {
  using time = fakeClock();
  const socket = new FakeUdp();
  using upstream = upstreamOf([{ address: "fe80::1%eth0", port: 53 }], { listenUdp: () => socket });
  const asked = upstream.query(query(), LOCAL);
  await time.pass(0);
  const { data: request, peer } = socket.sent[0]!;
  assert.equal(peer.hostname, "fe80::1%eth0");
  socket.deliver(replyTo(request, { addresses: ["6.6.6.1"] }), "fe80::2", 53);
  socket.deliver(replyTo(request, { addresses: ["6.6.6.2"] }), "fe80::1", 54);
  socket.deliver(replyTo(request, { addresses: ["192.0.2.1"] }), "fe80::1", 53);
  await time.pass(0);
  assert.deepEqual(addresses(await asked), ["192.0.2.1"]);
});

Deno.test("UpstreamClient asks by TCP after a truncated reply, and falls back to that reply", async () => {
  await using server = new FakeUpstream((request, transport) => [
    transport === "udp"
      ? replyTo(request, { truncated: true })
      : replyTo(request, { addresses: ["192.0.2.2", "192.0.2.3"] }),
  ]);
  using upstream = upstreamOf([server]);
  assert.deepEqual(addresses(await upstream.query(query(), LOCAL)), ["192.0.2.2", "192.0.2.3"]);
  await using silent = new FakeUpstream((request, transport) =>
    transport === "udp" ? [replyTo(request, { truncated: true })] : []
  );
  await using liar = new FakeUpstream((request, transport) => {
    const reply = replyTo(request, { truncated: true });
    if (transport === "tcp") reply[1]! ^= 1;
    return [reply];
  });
  for (const server of [silent, liar]) {
    upstream.servers = [server];
    assert.ok(decode((await upstream.query(query(), LOCAL))!).flag_tc);
    assert.equal(server.requests.length, 2);
  }
  const refuses = () => Promise.reject(new Deno.errors.ConnectionRefused());
  for (const connectTcp of [refuses, hangingTcp]) {
    using udpOnly = upstreamOf([server], { connectTcp });
    assert.ok(decode((await udpOnly.query(query(), LOCAL))!).flag_tc);
  }
});

Deno.test("UpstreamClient never asks our own server", async () => {
  await using server = new FakeUpstream();
  using upstream = upstreamOf([server], { isOwn: (key) => key === `127.0.0.1:${server.port}` });
  assert.equal(await upstream.query(query(), LOCAL), undefined);
  assert.equal(server.requests.length, 0);
});

Deno.test("UpstreamClient shares one exchange for equal questions at the same time", async () => {
  await using server = new FakeUpstream();
  using upstream = upstreamOf([server]);
  const replies = await Promise.all([1, 2, 3].map((id) => upstream.query(query({ id }), LOCAL)));
  assert.deepEqual(replies.map((reply) => decode(reply!).id), [1, 2, 3]);
  assert.equal(server.requests.length, 1);
  // The case is no difference: an attacker could otherwise start many exchanges for one name.
  const different = [{}, { flags: [0, 0] as const }, { additional: [opt()] }, { name: "oTHER.org" }];
  await Promise.all(different.map((parts) => upstream.query(query(parts), LOCAL)));
  assert.equal(server.requests.length, 4, "only three of these four are different");
});

Deno.test("UpstreamClient asks the second server after 200 ms if slots are short (R79)", async () => {
  using time = fakeClock();
  const sockets: FakeUdp[] = [];
  using upstream = new UpstreamClient({
    listenUdp: () => sockets[sockets.push(new FakeUdp()) - 1]!,
    connectTcp,
    isOwn: () => false,
  });
  upstream.servers = SERVERS;
  const holders = Array.from({ length: 385 }, (_, index) => `10.9.${index >> 8}.${index & 255}`);
  const forged = holders.map((holder) =>
    upstream.query(query({ name: `${holder}.org` }), { ...LOCAL, isLocal: false, holder })
  );
  const honest = upstream.query(query(), { ...LOCAL, isLocal: false, holder: "192.168.1.7" });
  await time.pass(200);
  assert.deepEqual([sockets[0]!.sent.length, sockets.at(-1)!.sent.length], [1, 2]);
  await time.pass(1300);
  assert.deepEqual([sockets[0]!.sent.length, sockets.at(-1)!.sent.length], [2, 2]);
  upstream[Symbol.dispose]();
  await Promise.all([honest, ...forged]);
});

/** A client whose server never replies. */
function silentUpstream(): { upstream: UpstreamClient; sockets: FakeUdp[] } {
  const sockets: FakeUdp[] = [];
  const upstream = upstreamOf(SERVERS, {
    listenUdp: () => sockets[sockets.push(new FakeUdp()) - 1]!,
    totalMs: 60_000,
    nextMs: 60_000,
  });
  return { upstream, sockets };
}

Deno.test("UpstreamClient serves at most 1,024 clients at once (R21)", async () => {
  // On a busy machine 200 ms pass, and queries may take the slots of others.
  using _time = fakeClock();
  const { upstream, sockets } = silentUpstream();
  const all = Array.from(
    { length: 1500 },
    (_, index) => upstream.query(query({ name: `n${index}.org` }), LOCAL),
  );
  assert.equal(sockets.length, 1024);
  const refused = await Promise.all(all.slice(1024));
  assert.deepEqual(new Set(refused), new Set([undefined]));
  upstream[Symbol.dispose]();
  assert.deepEqual(new Set(await Promise.all(all)), new Set([undefined]));
  assert.deepEqual(
    [await upstream.query(query(), LOCAL), sockets.length],
    [undefined, 1024],
    "it is disposed",
  );
});

Deno.test("UpstreamClient returns no reply without a socket or a server", async () => {
  using upstream = upstreamOf(SERVERS, {
    listenUdp: () => {
      throw new Error("Too many open files (os error 24)");
    },
  });
  assert.equal(await upstream.query(query(), LOCAL), undefined);
  upstream.servers = [];
  assert.equal(await upstream.query(query(), LOCAL), undefined);
});

Deno.test("UpstreamClient frees the slot of a client that is answered or gone", async () => {
  const { upstream, sockets } = silentUpstream();
  using _ = upstream;
  const source: QueryClient = { holder: "192.168.1.1", isLocal: false, isUdp: false };
  const connection = new AbortController();
  const { signal } = connection;
  const all = Array.from(
    { length: 64 },
    (_, index) => upstream.query(query({ name: `n${index}.org` }), { ...source, signal }),
  );
  const shared = upstream.query(query({ name: "n0.org" }), LOCAL);
  assert.equal(await upstream.query(query(), source), undefined, "it has no more slots");
  connection.abort();
  assert.deepEqual(new Set(await Promise.all(all)), new Set([undefined]));
  assert.deepEqual(sockets.map(({ closed }) => closed), sockets.map((_, index) => index > 0));
  assert.equal(await upstream.query(query(), { ...source, signal }), undefined, "it is gone");
  assert.equal(sockets.length, 64);

  const [first] = sockets;
  first!.deliver(replyTo(first!.sent[0]!.data, { addresses: ["192.0.2.1"] }), "10.0.0.1", 53);
  assert.deepEqual(addresses(await shared), ["192.0.2.1"]);
  const again = upstream.query(query({ name: "n1.org" }), source);
  assert.equal(sockets.length, 65, "a new exchange");
  sockets[64]!.onSend = (data) =>
    sockets[64]!.deliver(replyTo(data, { addresses: ["192.0.2.2"] }), "10.0.0.1", 53);
  assert.deepEqual(addresses(await again), ["192.0.2.2"]);
});

const NAME = "a-name-of-many-letters.example.org";

function nameIn(bytes: Uint8Array): string {
  return decode(bytes).questions[0]!.name;
}

Deno.test("UpstreamClient mixes the case of each question, and returns that of the query (R79)", async () => {
  await using server = new FakeUpstream();
  using upstream = upstreamOf([server]);
  for (let count = 0; count < 10; count++) {
    const reply = await upstream.query(query({ name: "A-Name-of-Many-Letters.example.ORG" }), LOCAL);
    assert.equal(nameIn(reply!), "A-Name-of-Many-Letters.example.ORG");
  }
  const names = server.requests.map(({ bytes }) => nameIn(bytes));
  assert.equal(new Set(names).size, 10);
  assert.deepEqual(new Set(names.map((name) => name.toLowerCase())), new Set([NAME]));
});

/** A reply as of a server that changes the case of the question. */
function inUpperCase(request: Uint8Array, address: string): Uint8Array<ArrayBuffer> {
  const reply = replyTo(request, { addresses: [address] });
  for (let at = 12; at < 12 + NAME.length + 1; at++) if (reply[at]! >= 0x61) reply[at]! -= 0x20;
  return reply;
}

Deno.test("UpstreamClient asks by TCP after a reply in another case, so that a forged one fails (R79)", async () => {
  await using server = new FakeUpstream((request, transport) => [
    transport === "udp" ? inUpperCase(request, "6.6.6.6") : replyTo(request, { addresses: ["192.0.2.1"] }),
  ]);
  using upstream = upstreamOf([server]);
  for (let count = 0; count < 5; count++) {
    assert.deepEqual(addresses(await upstream.query(query({ name: NAME }), LOCAL)), ["192.0.2.1"]);
  }
  const transports = server.requests.map(({ transport }) => transport);
  assert.deepEqual(transports, Array(5).fill(["udp", "tcp"]).flat(), "the server itself keeps the case");
});

/** A connection attempt without an answer. */
function hangingTcp(_where: TcpAddress, signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
}

Deno.test("UpstreamClient works with servers that change the case, with and without TCP", async () => {
  await using changes = new FakeUpstream((request) => [inUpperCase(request, "192.0.2.1")]);
  const noTcp = () => Promise.reject(new Deno.errors.ConnectionRefused());
  for (
    const [options, expected] of [
      [{}, ["udp", "tcp", "udp", "udp"]],
      [{ connectTcp: noTcp }, Array(7).fill("udp")],
      // A firewall that drops TCP in silence.
      [{ connectTcp: hangingTcp }, Array(7).fill("udp")],
    ] as const
  ) {
    changes.requests.length = 0;
    using upstream = upstreamOf([changes], options);
    while (changes.requests.length < expected.length) {
      assert.deepEqual(addresses(await upstream.query(query({ name: NAME }), LOCAL)), ["192.0.2.1"]);
    }
    assert.deepEqual(changes.requests.map(({ transport }) => transport), expected);
    assert.equal(nameIn(changes.requests.at(-1)!.bytes), NAME, "it is asked in lower case now");
  }
});

Deno.test("UpstreamClient asks a silent server again in lower case, and learns after three times", async () => {
  await using strange = new FakeUpstream((request) =>
    nameIn(request) === NAME ? [replyTo(request, { addresses: ["192.0.2.1"] })] : []
  );
  using upstream = upstreamOf([strange]);
  for (let count = 0; count < 4; count++) {
    assert.deepEqual(addresses(await upstream.query(query({ name: NAME }), LOCAL)), ["192.0.2.1"]);
  }
  // A late reply in lower case only could be forged, so TCP is tried before it is asked once more.
  const transports = strange.requests.map(({ transport }) => transport);
  assert.deepEqual(transports, [...Array(3).fill(["udp", "udp", "tcp", "udp"]).flat(), "udp"]);
});

Deno.test("UpstreamClient asks by TCP after a late reply in another case (R79)", async () => {
  // The attacker overloads the server, and so has all the time to guess a reply.
  await using server = new FakeUpstream((request, transport) => {
    if (transport === "tcp") return [replyTo(request, { addresses: ["192.0.2.1"] })];
    return nameIn(request) === NAME ? [inUpperCase(request, "6.6.6.6")] : [];
  });
  using upstream = upstreamOf([server]);
  for (let count = 0; count < 5; count++) {
    assert.deepEqual(addresses(await upstream.query(query({ name: NAME }), LOCAL)), ["192.0.2.1"]);
  }
});

Deno.test("UpstreamClient returns long replies in turn, and short ones at once (R78)", async () => {
  await using server = new FakeUpstream((request) => {
    const length = nameIn(request).toLowerCase().startsWith("long") ? 60 : 1;
    return [replyTo(request, { addresses: Array(length).fill("192.0.2.1") })];
  });
  const turns: { holder: unknown; give: () => void }[] = [];
  using upstream = upstreamOf([server], {
    takeTurn: (holder) => new Promise((give) => turns.push({ holder, give })),
  });
  const long = (holder: string) =>
    upstream.query(query({ name: `long-${holder}.org` }), { ...LOCAL, holder });
  const done: string[] = [];
  const waiting = ["a", "b"].map((holder) => long(holder)!.then(() => done.push(holder)));
  await until(() => turns.length === 2);
  assert.equal(addresses(await upstream.query(query(), LOCAL)).length, 1);
  assert.deepEqual([done, new Set(turns.map(({ holder }) => holder))], [[], new Set(["a", "b"])]);
  for (const { give } of turns) give();
  await Promise.all(waiting);
  assert.equal(done.length, 2);
});
