import assert from "node:assert/strict";
import {
  ResolvConf,
  type ResolvConfChange,
  type ResolvConfOptions,
} from "../../../src/names/resolver/resolv_conf.ts";
import type { ResolverRequest } from "../../../src/names/resolver/resolver.ts";
import * as files from "../../../src/system/files.ts";
import { failing, type FileOnDisk, fileOnDisk, symlink } from "../file_on_disk.ts";
import { captureLog } from "../../fakes/captured_log.ts";

const MARKER = "# ngrokd managed - do not edit this line";
const OTHERS = "# made by dhclient, f\xfcr eth0\nsearch lan\nnameserver 192.168.1.1\n";
const REQUEST: ResolverRequest = { server: { address: "10.107.0.1", port: 53 }, domains: ["a.example"] };

interface ResolvConfOnDisk extends FileOnDisk {
  readonly backup: string;
  make(options?: Partial<ResolvConfOptions>): ResolvConf;
}

async function withResolvConf(body: (file: ResolvConfOnDisk) => Promise<void>): Promise<void> {
  await using file = await fileOnDisk("resolv.conf", OTHERS);
  const backup = `${file.directory}/state.bak`;
  await body({
    ...file,
    backup,
    make: (options) => new ResolvConf(file.path, { files, backup, ...options }),
  });
}

function ours(text = OTHERS, address = "10.107.0.1"): string {
  return `${MARKER}\nnameserver ${address}\n${text}`;
}

Deno.test("ResolvConf puts our server first, keeps a backup meanwhile, and restores every byte", () =>
  withResolvConf(async ({ make, read, list, backup }) => {
    const resolver = make();
    assert.deepEqual(await resolver.apply(REQUEST), { changed: true, refused: new Map() });
    assert.deepEqual([await read(), await read(backup)], [ours(), OTHERS]);
    assert.equal((await files.statPath(backup))?.mode, 0o644);
    assert.equal((await resolver.withdraw()).changed, true);
    assert.deepEqual([await read(), await list()], [OTHERS, ["resolv.conf"]]);
  }));

Deno.test("ResolvConf removes the lines of a crashed run, with or without its backup", () =>
  withResolvConf(async ({ make, read, write, list, backup, path }) => {
    for (const left of [undefined, OTHERS, "nameserver 172.16.0.1\n"]) {
      await write(ours());
      if (left !== undefined) await Deno.writeTextFile(backup, left);
      await Deno.writeTextFile(`${path}.ngrokd.tmp`, "half");
      assert.equal((await make().withdraw()).problem, undefined);
      assert.deepEqual([await read(), await list()], [OTHERS, ["resolv.conf"]]);
    }
    // Only the backup was left.
    await Deno.writeTextFile(backup, "nameserver 172.16.0.1\n");
    assert.equal((await make().withdraw()).changed, false);
    assert.deepEqual([await read(), await list()], [OTHERS, ["resolv.conf"]]);
  }));

Deno.test("ResolvConf does not write if the file is right, after a crash and in the same run", () =>
  withResolvConf(async ({ make, read, write, path }) => {
    await write(ours());
    await Deno.utime(path, 1_000_000_000, 1_000_000_000);
    const before = await files.statPath(path);
    const resolver = make();
    for (let i = 0; i < 20; i++) assert.equal((await resolver.apply(REQUEST)).changed, false);
    assert.deepEqual([await read(), await files.statPath(path)], [ours(), before]);
  }));

Deno.test("ResolvConf neither replaces nor follows a symlink, and gives a hint", () =>
  withResolvConf(async ({ make, path, read }) => {
    const target = `${path}.target`;
    await Deno.rename(path, target);
    await symlink(target, path);
    const outcome = await make().apply(REQUEST);
    assert.equal(outcome.problem, `Cannot change ${path}: it is a symlink to a file of another program`);
    assert.match(outcome.hint ?? "", /Add the DNS server of ngrokd to the configuration of that program/);
    assert.ok((await Deno.lstat(path)).isSymlink);
    assert.equal(outcome.changed, false);
    assert.equal((await make().withdraw()).problem, undefined);
    // Another program replaced the file with a link to a copy that has our lines.
    await Deno.writeTextFile(target, ours("search lan\n"));
    assert.match((await make().withdraw()).problem ?? "", /it is a symlink/);
    assert.equal(await read(target), ours("search lan\n"));
  }));

Deno.test("ResolvConf refuses a missing file, and withdraws from it", () =>
  withResolvConf(async ({ make, path, list }) => {
    await Deno.remove(path);
    assert.equal((await make().apply(REQUEST)).problem, `Cannot change ${path}: there is no such file`);
    assert.equal((await make().withdraw()).problem, undefined);
    assert.deepEqual(await list(), []);
  }));

Deno.test("ResolvConf follows a new address of our server at once (F54)", () =>
  withResolvConf(async ({ make, read }) => {
    const resolver = make();
    for (const address of ["10.107.0.1", "192.168.1.7", "10.107.0.1"]) {
      const { changed } = await resolver.apply({ ...REQUEST, server: { address, port: 53 } });
      assert.deepEqual([changed, await read()], [true, ours(OTHERS, address)]);
    }
  }));

Deno.test("ResolvConf restores our lines and keeps what a DHCP client has written", () =>
  withResolvConf(async ({ make, read, write, path, backup }) => {
    const resolver = make();
    await resolver.apply(REQUEST);
    const renewed = "nameserver 172.16.0.1\n";
    await write(renewed);
    await using logged = await captureLog();
    assert.deepEqual(await resolver.apply(REQUEST), { changed: true, refused: new Map() });
    assert.deepEqual(logged.lines("warning"), [
      `Restored the lines in ${path} that another program changed`,
    ]);
    assert.deepEqual([await read(), await read(backup)], [ours(renewed), renewed]);
    // A new line after ours needs no write, one before ours does.
    await write(ours(`${renewed}search lan\n`));
    assert.equal((await resolver.apply(REQUEST)).changed, false);
    await write(`nameserver 9.9.9.9\n${ours(renewed)}`);
    assert.equal((await resolver.apply(REQUEST)).changed, true);
    await resolver.withdraw();
    assert.equal(await read(), `nameserver 9.9.9.9\n${renewed}`);
  }));

Deno.test("ResolvConf removes our lines when it may not change the file any more", () =>
  withResolvConf(async ({ make, read, list }) => {
    let managed = true;
    const resolver = make({ managed: () => managed });
    await resolver.apply(REQUEST);
    managed = false;
    const outcome = await resolver.apply(REQUEST);
    assert.deepEqual([outcome.changed, await read(), await list()], [true, OTHERS, ["resolv.conf"]]);
    assert.match(outcome.problem ?? "", /dns\.manage_resolv_conf does not allow it$/);
    assert.equal(outcome.hint, "Set dns.manage_resolv_conf to true");
    assert.equal((await resolver.apply(REQUEST)).changed, false);
  }));

Deno.test("ResolvConf refuses a port other than 53, and removes our lines", () =>
  withResolvConf(async ({ make, read }) => {
    const resolver = make();
    await resolver.apply(REQUEST);
    const outcome = await resolver.apply({ ...REQUEST, server: { address: "10.107.0.1", port: 5353 } });
    assert.match(outcome.problem ?? "", /^Cannot use port 5353 in .*: it can only name servers on port 53$/);
    assert.equal(await read(), OTHERS);
  }));

Deno.test("ResolvConf keeps mode and owner", () =>
  withResolvConf(async ({ make, path }) => {
    await Deno.chmod(path, 0o640);
    if (Deno.uid() === 0) await Deno.chown(path, 65534, 65533);
    const attributes = async () => {
      const { mode, uid, gid } = (await files.statPath(path))!;
      return { mode, uid, gid };
    };
    const before = await attributes();
    const resolver = make();
    await resolver.apply(REQUEST);
    assert.deepEqual(await attributes(), before);
    await resolver.withdraw();
    assert.deepEqual(await attributes(), before);
  }));

/** Changes that other tools make to a resolv.conf with our lines, as functions of its text. */
const OTHER_TOOLS: Readonly<Record<string, (text: string) => string>> = {
  "remove comments": (text) => text.replace(/^#.*\n/gm, ""),
  "sort the lines": (text) => `${text.trimEnd().split("\n").sort().join("\n")}\n`,
  "reverse the lines": (text) => `${text.trimEnd().split("\n").reverse().join("\n")}\n`,
  "append a comment": (text) => text.replace(/^(nameserver.*)$/gm, "$1 # seen"),
};

for (const [what, tool] of Object.entries(OTHER_TOOLS)) {
  // Without the marker our line stayed, and every look-up waited for a server that was gone.
  Deno.test(`ResolvConf takes its server and no other away after tools ${what} (R101)`, () =>
    withResolvConf(async ({ make, read, write }) => {
      const others = `nameserver 1.1.1.1\n${OTHERS}`;
      for (const isKilled of [false, true]) {
        await write(others);
        let server: string | undefined;
        const record = (change: ResolvConfChange) => Promise.resolve((server = change.server) !== "");
        const running = make({ record });
        await running.apply(REQUEST);
        await write(tool(await read()));
        const resolver = isKilled ? make({ server }) : running;
        await resolver.apply(REQUEST);
        assert.equal((await read()).split("10.107.0.1").length, 2);
        await resolver.withdraw();
        assert.equal(await read(), tool(others));
      }
    }));
}

/** Files in which others have written a line with our address, or changed our line. */
const RECORDED: readonly (readonly [what: string, text: string, rest: string])[] = [
  [
    "a later line",
    `${MARKER}\nnameserver 10.107.0.1\n${OTHERS}nameserver 10.107.0.1\n`,
    `${OTHERS}nameserver 10.107.0.1\n`,
  ],
  ["a later line, without the marker", `${OTHERS}nameserver 10.107.0.1\n`, OTHERS],
  ["the last nameserver", "search lan\nnameserver 10.107.0.1\n", "search lan\nnameserver 10.107.0.1\n"],
  ["the last nameserver, with the marker", `nameserver 10.107.0.1\n${MARKER}\n`, ""],
  ["an edited line behind the marker", `${MARKER}\nnameserver 9.9.9.9\n`, "nameserver 9.9.9.9\n"],
  ["another line behind the marker", `${MARKER}\n${OTHERS}`, OTHERS],
  ["the line before the last write", `${MARKER}\nnameserver 10.107.0.7\n${OTHERS}`, OTHERS],
  ["a copy of our lines", `${MARKER}\nnameserver 10.107.0.1\n`.repeat(2) + OTHERS, OTHERS],
];

// It took every line with the address, and whatever was behind the marker.
for (const [what, text, rest] of RECORDED) {
  Deno.test(`ResolvConf takes its line only, by the marker and the record: ${what} (R101)`, () =>
    withResolvConf(async ({ make, read, write }) => {
      await write(text);
      const resolver = make({ server: "10.107.0.1", earlier: "10.107.0.7" });
      assert.equal((await resolver.withdraw()).problem, undefined);
      assert.equal(await read(), rest);
    }));
}

Deno.test("ResolvConf finds its line again after a write to another address that failed (R101)", () =>
  withResolvConf(async ({ make, read }) => {
    let recorded: ResolvConfChange | undefined;
    const record = (change: ResolvConfChange) => Promise.resolve((recorded = change) !== undefined);
    let isFull = false;
    const failingFull = failing("full");
    const createFile: typeof files.createFile = (...args) =>
      isFull ? failingFull() : files.createFile(...args);
    const resolver = make({ record, files: { ...files, createFile } });
    await resolver.apply(REQUEST);
    isFull = true;
    const next = { ...REQUEST, server: { address: "10.107.0.2", port: 53 } };
    assert.match((await resolver.apply(next)).problem!, /full/);
    assert.equal(await read(), ours());
    const { server, earlier } = recorded!;
    for (const each of [make({ server, earlier }), resolver]) {
      assert.equal((await each.withdraw()).problem, undefined);
      assert.equal(await read(), OTHERS);
    }
  }));

// A user who later wrote that address into the file lost the line at the next start.
Deno.test("ResolvConf records that its line is gone after the withdrawal (R101)", () =>
  withResolvConf(async ({ make, read, write, path, backup }) => {
    const records: ResolvConfChange[] = [];
    const record = (change: ResolvConfChange) => Promise.resolve(records.push(change) > 0);
    const resolver = make({ record });
    await resolver.apply(REQUEST);
    for (let i = 0; i < 3; i++) await resolver.withdraw();
    assert.deepEqual(records.slice(1), [{ kind: "resolv_conf", path, backup }]);
    const mine = `nameserver 10.107.0.1\n${OTHERS}`;
    await write(mine);
    await resolver.withdraw();
    assert.equal(await read(), mine);
    await resolver.apply(REQUEST);
    await resolver.withdraw();
    assert.equal(await read(), mine);
  }));

Deno.test("ResolvConf keeps a line of others with the address of our server", () =>
  withResolvConf(async ({ make, read, write }) => {
    const others = `${OTHERS}nameserver 10.107.0.1\n`;
    await write(others);
    const resolver = make();
    await resolver.apply(REQUEST);
    await resolver.withdraw();
    assert.equal(await read(), others);
  }));

Deno.test("ResolvConf records the change once before it, and changes nothing without a backup (F2)", () =>
  withResolvConf(async ({ make, read, path, backup }) => {
    const records: unknown[] = [];
    const record = async (change: unknown) => {
      return records.push(change, await read()) > 0;
    };
    const full = make({ files: { ...files, createFile: failing("full") }, record });
    const outcome = await full.apply(REQUEST);
    assert.deepEqual([outcome.problem, outcome.hint, await read()], [
      "Cannot write x: full",
      "Make room on the disk; ngrokd retries at the next poll",
      OTHERS,
    ]);
    const resolver = make({ record });
    await resolver.apply(REQUEST);
    await resolver.apply({ ...REQUEST, server: { address: "10.107.0.2", port: 53 } });
    const change = { kind: "resolv_conf", path, backup, server: "10.107.0.1" };
    const next = { ...change, server: "10.107.0.2", earlier: "10.107.0.1" };
    assert.deepEqual(records, [change, OTHERS, change, OTHERS, next, ours()]);
  }));

Deno.test("ResolvConf gives a hint if it may not write, and reports what it cannot read", () =>
  withResolvConf(async ({ make }) => {
    const denied = { ...files, createFile: failing("denied"), writeFileInPlace: failing("denied") };
    const { hint } = await make({ files: denied }).apply(REQUEST);
    assert.equal(hint, "Run ngrokd as a user who may write the file");
    const unreadable = make({ files: { ...files, readBytesIfAny: failing("denied") } });
    assert.equal((await unreadable.withdraw()).problem, "Cannot write x: denied");
  }));

// The names of other servers would not resolve any more, on a machine that has no server but ours.
Deno.test("ResolvConf leaves a file alone, and removes our server, while we forward no names (R94)", () =>
  withResolvConf(async ({ make, read }) => {
    const resolver = make();
    // The hint was to set dns.upstream, also where only a permission was missing.
    const noUpstream = { problem: "the permission set does not include [::1]:53", hint: "ngrokd run" };
    const cannot = { ...REQUEST, noUpstream };
    const refusal = await resolver.apply(cannot);
    assert.deepEqual([refusal.changed, await read()], [false, OTHERS]);
    const { problem, hint } = noUpstream;
    assert.ok(refusal.problem!.endsWith(`: other names would not resolve, because ${problem}`));
    assert.equal(refusal.hint, hint);
    await resolver.apply(REQUEST);
    assert.equal(await read(), ours());
    assert.equal((await resolver.apply(cannot)).changed, true);
    assert.equal(await read(), OTHERS);
  }));
