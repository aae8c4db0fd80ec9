import assert from "node:assert/strict";
import { covers, entriesOf, flagsOf, flagsWithout } from "./permission_entries.ts";

const SET = {
  net: ["0.0.0.0/0", "localhost", "unix:/run/x.sock"],
  read: ["/etc/x"],
  env: { allow: ["KEY"], ignore: ["LOG"] },
};

Deno.test("a set turns into one flag for each kind, and an ignored variable is not a granted one", () => {
  assert.deepEqual(flagsOf(entriesOf(SET)), [
    "--allow-net=0.0.0.0/0,localhost,unix:/run/x.sock",
    "--allow-read=/etc/x",
    "--allow-env=KEY",
    "--ignore-env=LOG",
  ]);
  assert.throws(() => entriesOf({ read: true }), RangeError);
});

Deno.test("an entry that is taken away leaves all others, and the last of its kind leaves no flag that would grant the kind", () => {
  assert.deepEqual(flagsWithout("--allow-net=localhost", SET), [
    "--allow-net=0.0.0.0/0,unix:/run/x.sock",
    "--allow-read=/etc/x",
    "--allow-env=KEY",
    "--ignore-env=LOG",
  ]);
  assert.equal(flagsWithout("--allow-read=/etc/x", SET).join(" ").includes("read"), false);
  assert.throws(() => flagsWithout("--allow-read=/etc", SET), RangeError);
});

Deno.test("covers() tells what a set grants from what it does not", () => {
  const entries = entriesOf(SET);
  const held = [
    ["net", "10.1.2.3:80"],
    ["net", "localhost:443"],
    ["net", "http://localhost:80/x:1"],
    ["net", "unix:/run/x.sock"],
    ["read", "/etc/x"],
    ["read", "/etc/x/y"],
    ["env", "KEY"],
    ["env", "LOG"],
  ];
  const outside = [
    ["net", "example.com:80"],
    ["net", "https://example.com/localhost"],
    ["net", "unix:/run/y.sock"],
    ["net", "1.2.3.4.example.com:80"],
    ["read", "/etc/xy"],
    ["read", "/etc"],
    ["write", "/etc/x"],
    ["env", "HOME"],
    ["sys", "hostname"],
  ];
  for (const [permission = "", value = ""] of held) assert.ok(covers(entries, { permission, value }), value);
  for (const [permission = "", value = ""] of outside) {
    assert.ok(!covers(entries, { permission, value }), value);
  }
});
