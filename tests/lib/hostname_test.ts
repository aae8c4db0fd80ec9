import assert from "node:assert/strict";
import { anyText } from "../fakes/any_text.ts";
import { cpuTimeMs } from "../fakes/cpu_time.ts";
import fc from "fast-check";
import { isHostname, isWildcard, normalizeHostname, parentDomains } from "../../src/lib/hostname.ts";

const SEED = { seed: 20260102, numRuns: 500 };
const label = fc.stringMatching(/^[a-z0-9_](?:[a-z0-9_-]{0,10}[a-z0-9_])?$/);
const name = fc.array(label, { minLength: 1, maxLength: 5 }).map((labels) => `${labels.join(".")}.test`);

Deno.test("isHostname() accepts names of one to many labels", () => {
  const names = ["a", "api.myapp", "db.internal", "a-b.example.com", "_dmarc.example.com", "1.example.com"];
  const unusual = ["xn--bcher-kva.example", "0x1.com", "a.b.c.d.e.f"];
  for (const text of [...names, ...unusual]) assert.equal(isHostname(text), true, text);
  fc.assert(fc.property(name, (text) => isHostname(text)), SEED);
});

Deno.test("isHostname() rejects every string that could escape from a hosts line, a path or a label", () => {
  const hostile = [
    // Empty labels.
    ...["", ".", "..", "a..b", ".a", "a."],
    // White space and control characters.
    ...["a b", " a", "a ", "a\tb", "a\nb", "a\n", "\na", "a\r", "a\0"],
    // Paths, URLs and shell syntax.
    ...["a/b", "../a", "../../etc/x", "a\\b", "a#b", "a:80", "a@b", "a,b", "a;b", "a=b", "a%00", "a%2e"],
    ...["a'b", 'a"b', "$(id)", "`id`"],
    // Hyphens at an end of a label, and wildcards.
    ...["-a", "a-", "a.-b", "a.b-", "*", "*.a", "a.*.b", "a*"],
    // Upper case, other letters, and invisible characters.
    ...["A", "Ä", "é.com", "\u212Aube", "a\u200bb", "a\u202eb", "\ufeffa", "ａ.com", "a。b", "\ud800"],
    // Spellings of IP addresses.
    ...["1.2.3.4", "127.0.0.1", "2130706433", "0x7f000001", "a.0x7f", "a.0x", "a.1"],
    ...["[::1]", "::1", "fe80::1%eth0"],
    // Too long a label or name.
    ...["a".repeat(64), `${"a".repeat(64)}.b`, `${"a.".repeat(127)}b`, "a".repeat(300)],
  ];
  for (const text of hostile) assert.equal(isHostname(text), false, JSON.stringify(text));
});

Deno.test("isHostname() accepts up to 253 octets, and labels of up to 63", () => {
  const long = `${"a".repeat(63)}.`.repeat(3);
  assert.equal(isHostname(`${long}${"b".repeat(61)}`), true);
  assert.equal(isHostname(`${long}${"b".repeat(62)}`), false);
  assert.equal(isHostname("a".repeat(63)), true);
});

Deno.test("isHostname() accepts only letters, digits, hyphens, underscores and dots", () => {
  const any = fc.oneof(
    anyText({ maxLength: 30 }),
    fc.tuple(name, anyText({ minLength: 1, maxLength: 2 }), name).map((parts) => parts.join("")),
  );
  fc.assert(
    fc.property(
      any,
      (text) => !isHostname(text) || /^[a-z0-9_.-]{1,253}$/.test(text) && !text.includes(".."),
    ),
    SEED,
  );
});

Deno.test("isWildcard() accepts only a star, a dot and a host name", () => {
  for (const text of ["*.example.com", "*.com"]) assert.equal(isWildcard(text), true, text);
  const other = ["*", "*.", "*..com", "*.*.com", "**.com", "a.*.com", "*a.com", "*.1", "*.a b", "*.com."];
  for (const text of [...other, "example.com", "*.\u212A"]) assert.equal(isWildcard(text), false, text);
});

Deno.test("normalizeHostname() returns lower case without the final dot", () => {
  assert.equal(normalizeHostname("API.MyApp."), "api.myapp");
  assert.equal(normalizeHostname("a.."), "a.");
  assert.equal(normalizeHostname(""), "");
  fc.assert(fc.property(name, (text) => normalizeHostname(`${text.toUpperCase()}.`) === text), SEED);
});

// The Kelvin sign once became k.
Deno.test("normalizeHostname() turns no other letter into an ASCII letter", () => {
  assert.notEqual(normalizeHostname("\u212Aube.example"), "kube.example");
  assert.equal(isHostname(normalizeHostname("\u212Aube.example")), false);
  fc.assert(
    fc.property(anyText({ maxLength: 40 }), (text) => {
      const normal = normalizeHostname(text);
      return !isHostname(normal) ||
        isHostname(text.toLowerCase().replace(/\.$/, "")) && [...text].every((char) => char < "\u0080");
    }),
    SEED,
  );
});

Deno.test("parentDomains() returns the suffixes, longest first, without the name itself", () => {
  assert.deepEqual(parentDomains("a.b.c"), ["b.c", "c"]);
  assert.deepEqual(parentDomains("a"), []);
  assert.deepEqual(parentDomains(""), []);
  assert.deepEqual(parentDomains("*.b.c"), ["b.c", "c"]);
  fc.assert(
    fc.property(name, (text) => {
      const labels = text.split(".");
      assert.deepEqual(
        parentDomains(text),
        labels.slice(1).map((_, index) => labels.slice(index + 1).join(".")),
      );
    }),
    SEED,
  );
});

// It once took a second.
Deno.test("parentDomains() needs less than 600 ms of CPU for a name of 16,000 dots", () => {
  const started = cpuTimeMs();
  assert.equal(parentDomains(".".repeat(16_000)).length, 16_000);
  assert.ok(cpuTimeMs() - started < 600, `${cpuTimeMs() - started} ms`);
});
