import assert from "node:assert/strict";
import { renderBlock } from "../../src/names/hosts/hosts_block.ts";
import { HostsFile } from "../../src/names/hosts/hosts_file.ts";
import type { ChangeOutcome } from "../../src/names/outcome.ts";
import type { ReplaceFileSystem } from "../../src/names/replace_file.ts";
import { ResolvConf } from "../../src/names/resolver/resolv_conf.ts";
import * as files from "../../src/system/files.ts";
import { captureLog } from "../fakes/captured_log.ts";
import { buggy, type FileOnDisk, fileOnDisk, filesWith, MOUNT_POINT } from "./file_on_disk.ts";

/** A class that keeps lines in a file which other programs write too. */
interface Subject {
  readonly user: string;
  /** Makes an object that writes lines with an address, and removes them again. */
  make(file: FileOnDisk, options: Options): Writer;
  /** The file with these lines. */
  render(user: string, address: string): string;
  /** The marks of the tests about repairs and about races. */
  readonly faults: readonly [string, string];
}

interface Writer {
  write(address: string): Promise<ChangeOutcome>;
  withdraw(): Promise<ChangeOutcome>;
}

interface Options {
  readonly files?: ReplaceFileSystem;
  readonly now?: () => number;
}

const SUBJECTS: Readonly<Record<string, Subject>> = {
  HostsFile: {
    user: "127.0.0.1\tlocalhost\n",
    make(file, options) {
      const hosts = new HostsFile(file.path, { files, ...options });
      return {
        write: (address) => hosts.publish(new Map([["a.example", address]])),
        withdraw: () => hosts.withdraw(),
      };
    },
    render: (user, address) => `${user}\n${renderBlock(new Map([["a.example", address]]))}`,
    faults: [" (F12)", " (F13)"],
  },
  ResolvConf: {
    user: "nameserver 192.168.1.1\n",
    make(file, options) {
      const resolver = new ResolvConf(file.path, { files, backup: `${file.directory}/bak`, ...options });
      return {
        write: (address) => resolver.apply({ server: { address, port: 53 }, domains: ["a.example"] }),
        withdraw: () => resolver.withdraw(),
      };
    },
    render: (user, address) => `# ngrokd managed - do not edit this line\nnameserver ${address}\n${user}`,
    faults: ["", ""],
  },
};
const [ONE, TWO] = ["10.107.0.1", "10.107.0.2"];

for (const [name, { user, make, render, faults: [repair, race] }] of Object.entries(SUBJECTS)) {
  Deno.test(`${name} keeps what another program writes before the file is replaced${race}`, async () => {
    for (const [races, isChanged] of [[2, true], [3, false]] as const) {
      await using file = await fileOnDisk("f", user);
      let saves = 0;
      const racing = filesWith(async () => {
        if (saves++ < races) await file.write(`${user}# saved ${saves}\n`);
      });
      const { changed, problem } = await make(file, { files: racing }).write(ONE);
      const saved = `${user}# saved ${races}\n`;
      assert.deepEqual([changed, await file.read()], [isChanged, isChanged ? render(saved, ONE) : saved]);
      const reason = "another program is writing it at the same time";
      assert.equal(problem, isChanged ? undefined : `Cannot write ${file.path}: ${reason}`);
      assert.ok(!(await file.list()).includes("f.ngrokd.tmp"));
    }
  });

  Deno.test(`${name} writes a mount point in place, and warns once`, async () => {
    await using file = await fileOnDisk("f", user);
    const inode = (await Deno.stat(file.path)).ino;
    const { write, withdraw } = make(file, { files: MOUNT_POINT });
    await using logged = await captureLog();
    assert.equal((await write(ONE)).changed, true);
    await write(TWO);
    assert.equal(await file.read(), render(user, TWO));
    assert.deepEqual([(await withdraw()).changed, await file.read()], [true, user]);
    assert.deepEqual(logged.lines("warning"), [`Cannot replace ${file.path}; writing it in place`]);
    assert.equal((await Deno.stat(file.path)).ino, inode);
  });

  Deno.test(`${name} restores its lines 10 times in 10 minutes, then once in 5 minutes${repair}`, async () => {
    await using file = await fileOnDisk("f", user);
    let now = 0;
    const { write } = make(file, { now: () => now });
    await write(ONE);
    const repairs: number[] = [];
    await using logged = await captureLog();
    // Another program rewrites the file each second for half an hour; every other time is noticed.
    for (; now < 30 * 60_000; now += 2000) {
      await file.write(user);
      const { changed, problem } = await write(ONE);
      if (changed) repairs.push(now / 1000);
      assert.equal(
        problem,
        changed
          ? undefined
          : `Cannot keep the lines of ngrokd in ${file.path}: another program keeps rewriting it`,
      );
    }
    assert.deepEqual(
      logged.lines("warning"),
      repairs.map(() => `Restored the lines in ${file.path} that another program changed`),
    );
    assert.deepEqual(repairs, [0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 318, 618, 918, 1218, 1518]);
    assert.equal(await file.read(), user);
    now += 5 * 60_000;
    assert.equal((await write(ONE)).changed, true);
  });

  Deno.test(`${name} counts a repair that takes several attempts once, and warns once${repair}`, async () => {
    await using file = await fileOnDisk("f", user);
    let isRacing = false;
    const racing = filesWith(async () => {
      if (isRacing) await file.write(`${user}# saved\n`);
      isRacing = false;
    });
    const { write } = make(file, { files: racing, now: () => 0 });
    await write(ONE);
    await using logged = await captureLog();
    for (let count = 0; count < 10; count++) {
      await file.write(user);
      isRacing = true;
      assert.equal((await write(ONE)).changed, true);
      assert.equal(await file.read(), render(`${user}# saved\n`, ONE));
    }
    const warning = `Restored the lines in ${file.path} that another program changed`;
    assert.deepEqual(logged.lines("warning"), Array(10).fill(warning));
    await file.write(user);
    assert.match((await write(ONE)).problem!, /keeps rewriting it$/);
  });

  Deno.test(`${name} does not warn about lines that it has removed itself, or could not write`, async () => {
    await using file = await fileOnDisk("f", user);
    let saves = 0;
    const racing = filesWith(async () => {
      if (saves++ < 3) await file.write(`${user}# saved ${saves}\n`);
    });
    const { write, withdraw } = make(file, { files: racing });
    await using logged = await captureLog();
    assert.match((await write(ONE)).problem!, /is writing it at the same time$/);
    for (let round = 0; round < 2; round++) {
      const { changed, problem } = await write(ONE);
      assert.deepEqual([changed, problem], [true, undefined]);
      await withdraw();
    }
    assert.deepEqual(logged.lines("warning"), []);
    assert.equal(await file.read(), `${user}# saved 3\n`);
  });

  Deno.test(`${name} lets a bug of its file system through`, async () => {
    await using file = await fileOnDisk("f", user);
    await assert.rejects(make(file, { files: { ...files, readBytesIfAny: buggy } }).write(ONE), TypeError);
  });
}
