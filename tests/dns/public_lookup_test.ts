import assert from "node:assert/strict";
import fc from "fast-check";
import { PublicLookup, type PublicLookupOptions } from "../../src/dns/public_lookup.ts";
import { readAddresses } from "../../src/dns/read_addresses.ts";
import { connectTcp } from "../../src/system/tcp.ts";
import { listenUdp } from "../../src/system/udp.ts";
import { FakeUpstream } from "./fake_upstream.ts";
import { decode, message, replyTo, TYPES } from "./messages.ts";

const NXDOMAIN = 3;
const SERVFAIL = 2;

function lookupAt(servers: readonly string[], options: Partial<PublicLookupOptions> = {}): PublicLookup {
  return new PublicLookup({
    listenUdp,
    connectTcp,
    files: { readTextIfAny: () => Promise.resolve(undefined) },
    configured: () => servers,
    own: () => [],
    holds: () => true,
    isOurs: (address) => address === "10.107.0.9",
    totalMs: 200,
    nextMs: 50,
    ...options,
  });
}

/** The reply with one AAAA record and no A record. */
function onlyIpv6(request: Uint8Array): Uint8Array<ArrayBuffer> {
  const reply = replyTo(request);
  if (decode(request).questions[0]!.type !== "AAAA") return reply;
  reply[7] = 1;
  return new Uint8Array([
    ...reply,
    ...[0xc0, 12, 0, TYPES.AAAA, 0, 1, 0, 0, 0, 60, 0, 16],
    ...new Array(16).fill(1),
  ]);
}

const REPLIES: Record<
  string,
  [(request: Uint8Array) => Uint8Array<ArrayBuffer>, name: unknown, wildcard: unknown]
> = {
  "an address": [(request) => replyTo(request, { addresses: ["192.0.2.1"] }), "exists", "exists"],
  "our address": [(request) => replyTo(request, { addresses: ["10.107.0.9"] }), "missing", "exists"],
  "our address and another": [
    (request) => replyTo(request, { addresses: ["10.107.0.9", "192.0.2.1"] }),
    "exists",
    "exists",
  ],
  "an IPv6 address only": [onlyIpv6, "exists", "exists"],
  "no address": [(request) => replyTo(request), "missing", "exists"],
  "NXDOMAIN": [(request) => replyTo(request, { rcode: NXDOMAIN }), "missing", "missing"],
  "SERVFAIL": [(request) => replyTo(request, { rcode: SERVFAIL }), undefined, undefined],
};

for (const [reply, [answer, name, wildcard]] of Object.entries(REPLIES)) {
  Deno.test(`PublicLookup takes ${reply} for "${name}", and of a wildcard for "${wildcard}"`, async () => {
    await using server = new FakeUpstream((request) => [answer(request)]);
    using lookup = lookupAt([`${server.address}:${server.port}`]);
    assert.equal(await lookup.lookUp("www.bank.com"), name);
    assert.equal(await lookup.lookUp("*.bank.com"), wildcard);
    const names = server.requests.map(({ bytes }) => decode(bytes).questions[0]!.name.toLowerCase());
    assert.deepEqual([...new Set(names)], ["www.bank.com", "bank.com"]);
  });
}

Deno.test("PublicLookup asks neither our own server nor one that nobody has configured", async () => {
  await using server = new FakeUpstream();
  const own = `${server.address}:${server.port}`;
  using lookup = lookupAt([own], { own: () => [own] });
  assert.equal(await lookup.lookUp("www.bank.com"), "no server");
  for (const resolvConf of [undefined, "nameserver fe80::1\n"]) {
    using unconfigured = lookupAt([], { files: { readTextIfAny: () => Promise.resolve(resolvConf) } });
    assert.equal(await unconfigured.lookUp("www.bank.com"), "no server");
  }
  assert.equal(server.requests.length, 0);
});

Deno.test("readAddresses() reads any bytes, and no address that is not whole", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
    for (const address of readAddresses(bytes)) assert.match(address, /^(::|[0-9.]+)$/);
  }));
  const request = message({ name: "www.bank.com" });
  const whole = replyTo(request, { addresses: ["192.0.2.1", "192.0.2.2"] });
  assert.deepEqual(readAddresses(whole), ["192.0.2.1", "192.0.2.2"]);
  for (let length = 0; length < whole.length; length++) {
    assert.ok(readAddresses(whole.subarray(0, length)).length < 2, String(length));
  }
});
