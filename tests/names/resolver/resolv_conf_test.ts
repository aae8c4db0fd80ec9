import assert from "node:assert/strict";
import { FileError, type FileFailure } from "../../../src/model/errors.ts";
import type { HostsFileSystem } from "../../../src/names/replace_file.ts";
import { ResolvConf, type ResolvConfOptions } from "../../../src/names/resolver/resolv_conf.ts";
import type { ResolverRequest } from "../../../src/names/resolver/resolver.ts";
import * as files from "../../../src/system/files.ts";
import { temporaryDirectory } from "../../fakes/temporary_directory.ts";

const MARK = "# ngrokd managed - do not edit this line";
const OTHERS = "# made by dhclient, f\xfcr eth0\nsearch lan\nnameserver 192.168.1.1\n";
const WISH: ResolverRequest = { server: { address: "10.107.0.1", port: 53 }, domains: ["a.example"] };

/** A directory with a resolv.conf. */
interface Place {
  readonly path: string;
  readonly backup: string;
  make(options?: Partial<ResolvConfOptions>): ResolvConf;
  read(path?: string): Promise<string>;
  write(text: string): Promise<void>;
  list(): Promise<string[]>;
}

async function withResolvConf(body: (place: Place) => Promise<void>): Promise<void> {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/resolv.conf`;
  const backup = `${directory.path}/state.bak`;
  const place: Place = {
    path,
    backup,
    make: (options) => new ResolvConf(path, { files, backup, ...options }),
    read: async (from = path) => String.fromCharCode(...await Deno.readFile(from)),
    write: (text) => Deno.writeFile(path, Uint8Array.from(text, (character) => character.charCodeAt(0))),
    list: async () => (await Array.fromAsync(Deno.readDir(directory.path))).map((entry) => entry.name).sort(),
  };
  await place.write(OTHERS);
  await body(place);
}

function ours(text = OTHERS, address = "10.107.0.1"): string {
  return `${MARK}\nnameserver ${address}\n${text}`;
}

function failing(reason: FileFailure): () => Promise<never> {
  return () => Promise.reject(new FileError(`Cannot write x: ${reason}`, { path: "x", reason }));
}

Deno.test("ResolvConf puts our server first, keeps a backup while it is managed, and gives every byte back", () =>
  withResolvConf(async ({ make, read, list, backup }) => {
    const resolver = make();
    assert.deepEqual(await resolver.apply(WISH), { changed: true, refused: new Map(), warnings: [] });
    assert.deepEqual([await read(), await read(backup)], [ours(), OTHERS]);
    assert.equal((await files.statPath(backup))?.mode, 0o644);
    assert.equal((await resolver.withdraw()).changed, true);
    assert.deepEqual([await read(), await list()], [OTHERS, ["resolv.conf"]]);
  }));

Deno.test("ResolvConf takes away what a crashed run left, with or without its backup, and restores no old one", () =>
  withResolvConf(async ({ make, read, write, list, backup, path }) => {
    for (const left of [undefined, OTHERS, "nameserver 172.16.0.1\n"]) {
      await write(ours());
      if (left !== undefined) await Deno.writeTextFile(backup, left);
      await Deno.writeTextFile(`${path}.ngrokd.tmp`, "half");
      assert.equal((await make().withdraw()).problem, undefined);
      assert.deepEqual([await read(), await list()], [OTHERS, ["resolv.conf"]]);
    }
    // Nothing was left but the backup.
    await Deno.writeTextFile(backup, "nameserver 172.16.0.1\n");
    assert.equal((await make().withdraw()).changed, false);
    assert.deepEqual([await read(), await list()], [OTHERS, ["resolv.conf"]]);
  }));

Deno.test("ResolvConf takes over what a crashed run left without writing", () =>
  withResolvConf(async ({ make, read, write, path }) => {
    await write(ours());
    const before = await files.statPath(path);
    assert.equal((await make().apply(WISH)).changed, false);
    assert.deepEqual([await read(), await files.statPath(path)], [ours(), before]);
  }));

Deno.test("ResolvConf does not write when nothing changed", () =>
  withResolvConf(async ({ make, path }) => {
    const resolver = make();
    await resolver.apply(WISH);
    await Deno.utime(path, 1_000_000_000, 1_000_000_000);
    const before = await files.statPath(path);
    for (let i = 0; i < 20; i++) assert.equal((await resolver.apply(WISH)).changed, false);
    assert.deepEqual(await files.statPath(path), before);
  }));

Deno.test("ResolvConf never replaces or follows a link, and says what to do", () =>
  withResolvConf(async ({ make, path }) => {
    const target = `${path}.target`;
    await Deno.rename(path, target);
    assert.ok((await new Deno.Command("ln", { args: ["-s", target, path] }).output()).success);
    const outcome = await make().apply(WISH);
    assert.equal(outcome.problem, `Cannot change ${path}: it is a link to a file that another program keeps`);
    assert.match(outcome.hint ?? "", /Name our server where that program is configured/);
    assert.ok((await Deno.lstat(path)).isSymlink);
    assert.equal(outcome.changed, false);
    assert.equal((await make().withdraw()).problem, undefined);
    // Somebody made a file that was ours a link's target.
    await Deno.writeTextFile(target, ours("search lan\n"));
    assert.match((await make().withdraw()).problem ?? "", /it is a link/);
    assert.equal(await Deno.readTextFile(target), ours("search lan\n"));
  }));

Deno.test("ResolvConf refuses a missing file, and withdraws from it", () =>
  withResolvConf(async ({ make, path, list }) => {
    await Deno.remove(path);
    assert.equal((await make().apply(WISH)).problem, `Cannot change ${path}: there is no such file`);
    assert.equal((await make().withdraw()).problem, undefined);
    assert.deepEqual(await list(), []);
  }));

Deno.test("ResolvConf follows a new address of our server at once (F54)", () =>
  withResolvConf(async ({ make, read }) => {
    const resolver = make();
    for (const address of ["10.107.0.1", "192.168.1.7", "10.107.0.1"]) {
      const { changed, warnings } = await resolver.apply({ ...WISH, server: { address, port: 53 } });
      assert.deepEqual([changed, warnings, await read()], [true, [], ours(OTHERS, address)]);
    }
  }));

Deno.test("ResolvConf respects what a DHCP client writes: our line comes back, and its content stays at the end", () =>
  withResolvConf(async ({ make, read, write, path, backup }) => {
    const resolver = make();
    await resolver.apply(WISH);
    const renewed = "nameserver 172.16.0.1\n";
    await write(renewed);
    assert.deepEqual(await resolver.apply(WISH), {
      changed: true,
      refused: new Map(),
      warnings: [`${path} was changed by another program: our server is put first again`],
    });
    assert.deepEqual([await read(), await read(backup)], [ours(renewed), renewed]);
    // A line that is added after ours is no reason to write, one before is.
    await write(ours(`${renewed}search lan\n`));
    assert.equal((await resolver.apply(WISH)).changed, false);
    await write(`nameserver 9.9.9.9\n${ours(renewed)}`);
    assert.equal((await resolver.apply(WISH)).changed, true);
    await resolver.withdraw();
    assert.equal(await read(), `nameserver 9.9.9.9\n${renewed}`);
  }));

Deno.test("ResolvConf does not fight for ever: 10 repairs, then one in 5 minutes, and says so", () =>
  withResolvConf(async ({ make, write, read }) => {
    let now = 0;
    const resolver = make({ now: () => now });
    await resolver.apply(WISH);
    let repairs = 0;
    let problem: string | undefined;
    for (let i = 0; i < 60; i++, now += 1000) {
      await write(OTHERS);
      const outcome = await resolver.apply(WISH);
      if (outcome.changed) repairs++;
      problem = outcome.problem;
    }
    assert.deepEqual([repairs, await read()], [10, OTHERS]);
    assert.match(problem ?? "", /another program keeps rewriting it/);
    now += 5 * 60_000;
    assert.equal((await resolver.apply(WISH)).changed, true);
  }));

Deno.test("ResolvConf gives the file back when it is no longer ours to change", () =>
  withResolvConf(async ({ make, read, list }) => {
    let managed = true;
    const resolver = make({ managed: () => managed });
    await resolver.apply(WISH);
    managed = false;
    const outcome = await resolver.apply(WISH);
    assert.deepEqual([outcome.changed, await read(), await list()], [true, OTHERS, ["resolv.conf"]]);
    assert.match(outcome.problem ?? "", /dns\.manage_resolv_conf does not allow it$/);
    assert.equal(outcome.hint, "Set dns.manage_resolv_conf to true");
    assert.equal((await resolver.apply(WISH)).changed, false);
  }));

Deno.test("ResolvConf cannot name another port than 53, and names nobody then", () =>
  withResolvConf(async ({ make, read }) => {
    const resolver = make();
    await resolver.apply(WISH);
    const outcome = await resolver.apply({ ...WISH, server: { address: "10.107.0.1", port: 5353 } });
    assert.match(outcome.problem ?? "", /^Cannot name port 5353 in .*: programs ask port 53 only$/);
    assert.equal(await read(), OTHERS);
  }));

Deno.test("ResolvConf keeps mode and owner", () =>
  withResolvConf(async ({ make, path }) => {
    await Deno.chmod(path, 0o640);
    if (Deno.uid() === 0) await Deno.chown(path, 65534, 65533);
    const look = async () => {
      const { mode, uid, gid } = (await files.statPath(path))!;
      return { mode, uid, gid };
    };
    const before = await look();
    const resolver = make();
    await resolver.apply(WISH);
    assert.deepEqual(await look(), before);
    await resolver.withdraw();
    assert.deepEqual(await look(), before);
  }));

Deno.test("ResolvConf writes in place where the file is a mount point, and warns once", () =>
  withResolvConf(async ({ make, path, read }) => {
    const busy = new FileError("busy", { path, reason: "other", cause: new Deno.errors.Busy("mount point") });
    const resolver = make({ files: { ...files, renameFile: () => Promise.reject(busy) } });
    const inode = (await Deno.stat(path)).ino;
    assert.deepEqual((await resolver.apply(WISH)).warnings, [
      `${path} cannot be replaced as a whole: it is written where it stands`,
    ]);
    assert.deepEqual([await read(), (await Deno.stat(path)).ino], [ours(), inode]);
    assert.deepEqual((await resolver.withdraw()).warnings, []);
    assert.equal(await read(), OTHERS);
  }));

Deno.test("ResolvConf loses nothing that another program writes at the same time", () =>
  withResolvConf(async ({ make, write, read }) => {
    let races = 1;
    const racing: HostsFileSystem = {
      ...files,
      async createFile(...parameters) {
        await files.createFile(...parameters);
        if (parameters[0].endsWith(".tmp") && races-- > 0) await write(`nameserver 10.0.0.${races}\n`);
      },
    };
    await make({ files: racing }).apply(WISH);
    assert.equal(await read(), ours("nameserver 10.0.0.0\n"));
    races = 100;
    await write(OTHERS);
    assert.match((await make({ files: racing }).apply(WISH)).problem ?? "", /writes it at the same time$/);
    assert.doesNotMatch(await read(), /ngrokd/);
  }));

Deno.test("ResolvConf writes down what it changes before it does, once, and changes nothing without a backup (F2)", () =>
  withResolvConf(async ({ make, read, path, backup }) => {
    const records: unknown[] = [];
    const record = async (change: unknown) => {
      records.push(change, await read());
    };
    const full = make({ files: { ...files, createFile: failing("full") }, record });
    const outcome = await full.apply(WISH);
    assert.deepEqual([outcome.problem, outcome.hint, await read()], [
      "Cannot write x: full",
      "Make room on the disk; it is tried again at the next poll",
      OTHERS,
    ]);
    const resolver = make({ record });
    await resolver.apply(WISH);
    await resolver.apply({ ...WISH, server: { address: "10.107.0.2", port: 53 } });
    const change = { kind: "resolv_conf", path, backup };
    assert.deepEqual(records, [change, OTHERS, change, OTHERS]);
  }));

Deno.test("ResolvConf says who could write the file, and does not swallow faults of its own", () =>
  withResolvConf(async ({ make }) => {
    const denied = { ...files, createFile: failing("denied"), writeFileInPlace: failing("denied") };
    assert.equal(
      (await make({ files: denied }).apply(WISH)).hint,
      "Run ngrokd as a user who may write the file",
    );
    const unreadable = make({ files: { ...files, readBytesIfAny: failing("denied") } });
    assert.equal(await unreadable.observe(), undefined);
    assert.equal((await unreadable.withdraw()).problem, "Cannot write x: denied");
    const faulty = make({ files: { ...files, readBytesIfAny: () => Promise.reject(new TypeError("bug")) } });
    await assert.rejects(faulty.observe(), TypeError);
    await assert.rejects(faulty.apply(WISH), TypeError);
  }));
