import assert from "node:assert/strict";
import { covers, entriesOf, entriesOfSets, flagsOf, flagsWithout } from "./entries.ts";
import { NO_SCENARIO, ROWS } from "./rows.ts";

const SET = {
  net: ["0.0.0.0/0", "localhost", "unix:/run/x.sock", "a.example:9229"],
  read: ["/etc/x"],
  env: { allow: ["KEY"], ignore: ["LOG"] },
};

Deno.test("every entry of the shipped sets has a row, and every row an entry", () => {
  const { ctl, ...ngrokd } = ROWS;
  const names = (rows: readonly Readonly<Record<string, unknown>>[]) => rows.flatMap(Object.keys).sort();
  assert.deepEqual(
    names([...Object.values(ngrokd), NO_SCENARIO.ngrokd]),
    entriesOfSets(["ngrokd", "ngrokd_dns", "ngrokd_dns_macos"]).sort(),
  );
  assert.deepEqual(names([ctl, NO_SCENARIO.ngrokctl]), entriesOfSets(["ngrokctl"]).sort());
});

Deno.test("flagsOf() makes one flag for each kind, and tells ignored variables from granted ones", () => {
  assert.deepEqual(flagsOf(entriesOf(SET)), [
    "--allow-net=0.0.0.0/0,localhost,unix:/run/x.sock,a.example:9229",
    "--allow-read=/etc/x",
    "--allow-env=KEY",
    "--ignore-env=LOG",
  ]);
  assert.throws(() => entriesOf({ read: true }), RangeError);
});

Deno.test("flagsWithout() leaves out one entry, and the whole kind with its last entry", () => {
  assert.deepEqual(flagsWithout("--allow-net=localhost", entriesOf(SET)), [
    "--allow-net=0.0.0.0/0,unix:/run/x.sock,a.example:9229",
    "--allow-read=/etc/x",
    "--allow-env=KEY",
    "--ignore-env=LOG",
  ]);
  assert.equal(flagsWithout("--allow-read=/etc/x", entriesOf(SET)).join(" ").includes("read"), false);
  assert.throws(() => flagsWithout("--allow-read=/etc", entriesOf(SET)), RangeError);
});

Deno.test("covers() tells granted uses from others", () => {
  const cases: [string, string, boolean][] = [
    ["net", "10.1.2.3:80", true],
    ["net", "localhost:443", true],
    ["net", "http://localhost:80/x:1", true],
    ["net", "unix:/run/x.sock", true],
    ["net", "a.example:9229", true],
    ["net", "a.example:9230", false],
    ["read", "/etc/x", true],
    ["read", "/etc/x/y", true],
    ["env", "KEY", true],
    ["env", "LOG", true],
    ["net", "example.com:80", false],
    ["net", "https://example.com/localhost", false],
    ["net", "unix:/run/y.sock", false],
    ["net", "1.2.3.4.example.com:80", false],
    ["read", "/etc/xy", false],
    ["read", "/etc", false],
    ["write", "/etc/x", false],
    ["env", "HOME", false],
    ["sys", "hostname", false],
  ];
  for (const [permission, value, expected] of cases) {
    assert.equal(covers(entriesOf(SET), { permission, value }), expected, `${permission} ${value}`);
  }
});
