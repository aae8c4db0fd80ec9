import assert from "node:assert/strict";
import type { FileFailure } from "../../src/model/errors.ts";
import * as files from "../../src/system/files.ts";
import { dropForeign } from "../../src/undo/foreign_changes.ts";
import { type Change, Journal } from "../../src/undo/journal.ts";
import { failing } from "../names/file_on_disk.ts";
import { makeFifo, makeLink } from "../fakes/special_files.ts";
import { temporaryDirectory } from "../fakes/temporary_directory.ts";

const SECTION = "# BEGIN ngrokd managed section\n10.107.0.2\tapi.myapp\n# END ngrokd managed section\n";
const AS_ROOT = Deno.uid() === 0;

Deno.test("dropForeign() drops each entry whose file is not ngrokd's, and keeps the rest", async () => {
  await using directory = await temporaryDirectory();
  const at = (name: string) => `${directory.path}/${name}`;
  const hosts = (name: string) => ({ kind: "hosts", path: at(name), created: true }) as const;
  const resolvConf = { path: at("resolv.conf"), backup: at("resolv.conf.bak") };
  await Deno.writeTextFile(at("earlier_hosts"), SECTION);
  await Deno.writeTextFile(at("empty"), "");
  await makeFifo(at("fifo"));
  await Deno.mkdir(at("home"));
  await Deno.writeTextFile(at("home/hosts"), SECTION);
  await makeLink(at("home/hosts"), at("link"));
  if (AS_ROOT) await Deno.chown(at("home"), 65534, null);
  const own: Change[] = [
    { kind: "addresses" },
    hosts("hosts"),
    hosts("earlier_hosts"),
    hosts("missing"),
    { kind: "resolv_conf", ...resolvConf },
    { kind: "resolver_dir", path: at("resolver") },
  ];
  const foreign: [Change, RegExp][] = [
    [hosts("empty"), /empty, which has no section of ngrokd/],
    ...(AS_ROOT
      ? [[hosts("home/hosts"), /which others can replace \(.*user 65534/] as [Change, RegExp]]
      : []),
    ...(AS_ROOT ? [[hosts("link"), /which others can replace \(.*user 65534/] as [Change, RegExp]] : []),
    [hosts("fifo"), /fifo, which is not a hosts file of ngrokd \(.*not a regular file\)/],
    [{ kind: "hosts", path: directory.path, created: true }, /which is not a hosts file of ngrokd/],
    [
      { kind: "resolv_conf", path: at("other"), backup: resolvConf.backup },
      /other, which is not .*resolv\.conf/,
    ],
    [{ kind: "resolver_dir", path: directory.path }, /which is not .*resolver/],
  ];
  const path = at("journal.json");
  const changes = [...foreign.map(([change]) => change), ...own];
  await Deno.writeTextFile(path, JSON.stringify({ version: 1, changes }), { mode: 0o644 });
  const journal = new Journal(path, files);
  assert.deepEqual(await journal.load(), []);
  const options = { hosts: [at("hosts")], resolvConf, resolverDir: at("resolver"), files };
  const problems = await dropForeign(journal, options);
  assert.equal(problems.length, foreign.length);
  for (const [index, [, reason]] of foreign.entries()) assert.match(problems[index]!, reason);
  assert.deepEqual(journal.changes, own);
  const again = new Journal(path, files);
  await again.load();
  assert.deepEqual([again.changes, await dropForeign(again, options)], [own, []]);
});

Deno.test("dropForeign() drops a directory that only macOS has", async () => {
  await using directory = await temporaryDirectory();
  const journal = new Journal(`${directory.path}/journal.json`, files);
  await journal.record({ kind: "resolver_dir", path: "/etc/resolver" });
  const resolvConf = { path: "/etc/resolv.conf", backup: "/etc/ngrokd/resolv.conf.bak" };
  const problems = await dropForeign(journal, { hosts: [], resolvConf, resolverDir: undefined, files });
  assert.deepEqual(problems, [
    "The journal names /etc/resolver, which only macOS has; the entry is not used",
  ]);
  assert.deepEqual(journal.changes, []);
});

Deno.test("dropForeign() reports and keeps an entry whose file cannot be read now", async () => {
  await using directory = await temporaryDirectory();
  const journal = new Journal(`${directory.path}/journal.json`, files);
  const change: Change = { kind: "hosts", path: `${directory.path}/hosts`, created: false };
  await journal.record(change);
  const resolvConf = { path: "/etc/resolv.conf", backup: "/etc/ngrokd/resolv.conf.bak" };
  for (const reason of ["denied", "not_capable", "other"] satisfies FileFailure[]) {
    const broken = { ...files, readBytesIfAny: failing(reason) };
    const options = { hosts: [], resolvConf, resolverDir: undefined, files: broken };
    assert.deepEqual(await dropForeign(journal, options), [
      `The journal names ${change.path}, which cannot be checked (Cannot write x: ${reason}); the entry stays`,
    ]);
    assert.deepEqual(journal.changes, [change]);
  }
});
