import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type Cidr,
  cidrContains,
  cidrSize,
  cidrsOverlap,
  formatCidr,
  formatIpv4,
  parseCidr,
  parseIpv4,
} from "../../src/lib/ipv4.ts";

const SEED = { seed: 20260101, numRuns: 500 };
const address = fc.integer({ min: 0, max: 0xffffffff });
const cidr: fc.Arbitrary<Cidr> = fc.tuple(address, fc.integer({ min: 0, max: 32 }))
  .map(([base, prefix]) => parseCidr(`${formatIpv4(base)}/${prefix}`)!);

Deno.test("parseIpv4() parses every address that formatIpv4() writes", () => {
  fc.assert(fc.property(address, (value) => parseIpv4(formatIpv4(value)) === value), SEED);
  assert.equal(parseIpv4("255.255.255.255"), 0xffffffff);
  assert.equal(formatIpv4(0xffffffff), "255.255.255.255");
  assert.equal(formatIpv4(0), "0.0.0.0");
});

Deno.test("parseIpv4() accepts only texts that formatIpv4() writes", () => {
  const odd = fc.oneof(
    fc.string({ maxLength: 20 }),
    fc.array(fc.constantFrom("0", "1", "01", "255", "256", "-1", "1e1", "0x1", "", " 1", "1\n", "٣"), {
      minLength: 3,
      maxLength: 5,
    })
      .map((parts) => parts.join(".")),
  );
  fc.assert(
    fc.property(odd, (text) => {
      const value = parseIpv4(text);
      return value === undefined || formatIpv4(value) === text;
    }),
    SEED,
  );
});

Deno.test("parseIpv4() rejects spellings that other parsers read as another address", () => {
  const other = ["127.1", "0177.0.0.1", "127.0.0.01", "0x7f.0.0.1", "2130706433", "127.0.0.1.", "1.2.3.256"];
  for (const text of [...other, "127.0.0.1\n", " 127.0.0.1", "1.2.3.4.5", "::1", ""]) {
    assert.equal(parseIpv4(text), undefined, JSON.stringify(text));
  }
});

Deno.test("parseCidr() parses every network that formatCidr() writes, and clears host bits", () => {
  fc.assert(
    fc.property(cidr, (network) => {
      assert.deepEqual(parseCidr(formatCidr(network)), network);
    }),
    SEED,
  );
  assert.equal(formatCidr(parseCidr("10.107.3.4/16")!), "10.107.0.0/16");
  assert.equal(formatCidr(parseCidr("255.255.255.255/0")!), "0.0.0.0/0");
  assert.equal(formatCidr(parseCidr("255.255.255.255/32")!), "255.255.255.255/32");
});

Deno.test("parseCidr() rejects other texts", () => {
  const prefixes = ["10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/08", "10.0.0.0/1e1"];
  for (const text of [...prefixes, "10.0.0.0/8/8", "/8", "10.0.0/8", "10.0.0.0/8 "]) {
    assert.equal(parseCidr(text), undefined, text);
  }
});

Deno.test("cidrContains() is true for exactly the cidrSize() addresses from the base on", () => {
  fc.assert(
    fc.property(cidr, address, (network, other) => {
      const inside = other >= network.base && other < network.base + cidrSize(network);
      assert.equal(cidrContains(network, other), inside);
      assert.equal(cidrContains(network, network.base), true);
      assert.equal(cidrContains(network, network.base + cidrSize(network) - 1), true);
    }),
    SEED,
  );
});

Deno.test("cidrsOverlap() is true if one network contains the base of the other", () => {
  fc.assert(
    fc.property(cidr, cidr, (a, b) => {
      const common = cidrContains(a, b.base) || cidrContains(b, a.base);
      assert.equal(cidrsOverlap(a, b), common);
      assert.equal(cidrsOverlap(b, a), common);
    }),
    SEED,
  );
  assert.equal(cidrsOverlap(parseCidr("10.107.0.0/16")!, parseCidr("10.107.128.0/17")!), true);
  assert.equal(cidrsOverlap(parseCidr("10.107.0.0/17")!, parseCidr("10.107.128.0/17")!), false);
});
