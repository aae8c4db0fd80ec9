import assert from "node:assert/strict";
import { join } from "node:path";
import { type WatchedStat, watchFile, type WatchOptions } from "../../src/system/watch_file.ts";
import { FileError } from "../../src/model/errors.ts";
import { readTextIfAny, statTarget } from "../../src/system/files.ts";
import { captureLog } from "../fakes/captured_log.ts";
import { fakeClock } from "../fakes/fake_clock.ts";
import { makeLink } from "../fakes/special_files.ts";

/** Watches a file whose stat and whose time only the test changes. */
async function watched(options: Partial<WatchOptions>, test: (world: World) => Promise<void>): Promise<void> {
  using clock = fakeClock();
  let stat: WatchedStat | undefined | Error = { inode: 1, mtimeMs: 1, size: 1 };
  let calls = 0;
  await using watch = await watchFile("/etc/ngrokd/config.yml", {
    stat: () => stat instanceof Error ? Promise.reject(stat) : Promise.resolve(stat),
    onChange: () => void calls++,
    ...options,
  });
  const acknowledge = () => watch.acknowledge();
  await test({ set: (next) => stat = next, pass: clock.pass, acknowledge, calls: () => calls });
}

interface World {
  set(stat: WatchedStat | undefined | Error): void;
  pass(ms: number): Promise<void>;
  acknowledge(): Promise<void>;
  /** The number of calls of `onChange`. */
  calls(): number;
}

Deno.test("watchFile() reports no change while the file is the same", async () => {
  await watched({}, async ({ pass, calls }) => {
    await pass(60_000);
    assert.equal(calls(), 0);
  });
});

for (const change of ["inode", "mtimeMs", "ctimeMs", "size"]) {
  Deno.test(`watchFile() reports another ${change} within 5 s (F70)`, async () => {
    await watched({}, async ({ set, pass, calls }) => {
      set({ inode: 1, mtimeMs: 1, size: 1, [change]: 2 });
      await pass(5000);
      assert.equal(calls(), 1);
      await pass(60_000);
      assert.equal(calls(), 1);
    });
  });
}

for (
  const [pattern, gap] of [
    ["at even intervals", () => 5],
    ["in bursts", (write: number) => write % 200 === 0 ? 1000 : 0],
    ["with long pauses", (write: number) => write % 250 === 0 ? 1250 : 0],
  ] as const
) {
  Deno.test(`watchFile() reports 1,000 writes in 5 s ${pattern} in at most 5 calls (F71)`, async () => {
    let mtimeMs = 1;
    const seen: number[] = [];
    const stat = () => Promise.resolve({ inode: 1, mtimeMs, size: 1 });
    await watched({ stat, onChange: () => void seen.push(mtimeMs) }, async ({ pass }) => {
      for (let write = 1; write <= 1000; write++) {
        mtimeMs++;
        await pass(gap(write));
      }
      await pass(5000);
      assert.ok(seen.length <= 5, `${seen.length} calls`);
      assert.equal(seen.at(-1), 1001);
      await pass(60_000);
      assert.equal(seen.at(-1), 1001);
      assert.ok(seen.length <= 5, `${seen.length} calls`);
    });
  });
}

// It once waited until the writes stopped.
Deno.test("watchFile() reports a file that is written all the time within 5 s", async () => {
  await watched({}, async ({ set, pass, calls }) => {
    const seen: number[] = [];
    for (let second = 1; second <= 20; second++) {
      for (let write = 0; write < 4; write++) {
        set({ inode: 1, mtimeMs: second * 4 + write, size: 1 });
        await pass(250);
      }
      seen.push(calls());
    }
    assert.ok(seen[4]! >= 1, `calls by the second: ${seen.join(" ")}`);
    assert.ok(seen[19]! >= 4 && seen[19]! <= 8, `calls by the second: ${seen.join(" ")}`);
  });
});

Deno.test("watchFile() reports that the file disappears, returns or cannot be read", async () => {
  await watched({}, async ({ set, pass, calls }) => {
    const states = [
      undefined,
      { inode: 2, mtimeMs: 2, size: 2 },
      new FileError("Cannot examine x: permission denied", { path: "x", reason: "denied" }),
      new TypeError("broken"),
    ];
    for (const [index, state] of states.entries()) {
      set(state);
      await pass(5000);
      assert.equal(calls(), index + 1);
    }
  });
});

Deno.test("watchFile() reports one change if the file is missing for a moment", async () => {
  await watched({ intervalMs: 100, debounceMs: 500 }, async ({ set, pass, calls }) => {
    set(undefined);
    await pass(300);
    set({ inode: 2, mtimeMs: 2, size: 2 });
    await pass(5000);
    assert.equal(calls(), 1);
  });
});

Deno.test("watchFile() reports no change if the file is soon the same again", async () => {
  await watched({}, async ({ set, pass, calls }) => {
    set(undefined);
    await pass(2100);
    set({ inode: 1, mtimeMs: 1, size: 1 });
    await pass(10_000);
    assert.equal(calls(), 0);
  });
});

Deno.test("watchFile() does not report an acknowledged write", async () => {
  await watched({}, async ({ set, pass, acknowledge, calls }) => {
    set({ inode: 2, mtimeMs: 2, size: 2 });
    await acknowledge();
    await pass(10_000);
    set({ inode: 3, mtimeMs: 3, size: 3 });
    await pass(2100);
    await acknowledge();
    await pass(10_000);
    assert.equal(calls(), 0);
    set({ inode: 4, mtimeMs: 4, size: 4 });
    await pass(5000);
    assert.equal(calls(), 1);
  });
});

Deno.test("watchFile() logs the failure of a listener and continues", async () => {
  await using log = await captureLog();
  let calls = 0;
  const onChange = () => {
    calls++;
    throw new TypeError("broken listener");
  };
  await watched({ onChange }, async ({ set, pass }) => {
    for (const mtimeMs of [2, 3]) {
      set({ inode: 1, mtimeMs, size: 1 });
      await pass(5000);
    }
  });
  assert.equal(calls, 2);
  assert.deepEqual(log.records.map((record) => record.level), ["error", "error"]);
});

Deno.test("watchFile() calls one listener at a time", async () => {
  const finish = Promise.withResolvers<void>();
  let calls = 0;
  const onChange = () => {
    calls++;
    return finish.promise;
  };
  await watched({ onChange }, async ({ set, pass }) => {
    for (const mtimeMs of [2, 3]) {
      set({ inode: 1, mtimeMs, size: 1 });
      await pass(5000);
      assert.equal(calls, 1);
    }
    finish.resolve();
    await pass(5000);
    assert.equal(calls, 2);
  });
});

Deno.test("watchFile() ends when its signal aborts", async () => {
  const stop = new AbortController();
  await watched({ signal: stop.signal }, async ({ set, pass, calls }) => {
    stop.abort();
    set(undefined);
    await pass(10_000);
    assert.equal(calls(), 0);
  });
});

Deno.test("watchFile() reports a real file that is written, replaced or swapped behind links (F70)", async () => {
  const directory = await Deno.makeTempDir();
  const at = (name: string) => join(directory, name);
  const path = at("config.yml");
  await Deno.writeTextFile(path, "begin");
  let seen: string | undefined;
  let change = Promise.withResolvers<void>();
  await using _watch = await watchFile(path, {
    stat: statTarget,
    intervalMs: 5,
    debounceMs: 5,
    async onChange() {
      seen = await readTextIfAny(path);
      change.resolve();
      change = Promise.withResolvers();
    },
  });
  async function sees(content: string | undefined): Promise<void> {
    while (seen !== content) await change.promise;
  }
  await Deno.writeTextFile(path, "written");
  await sees("written");
  for (let round = 0; round < 5; round++) {
    await Deno.writeTextFile(at("new"), `renamed ${round}`);
    await Deno.rename(at("new"), path);
    await sees(`renamed ${round}`);
  }
  // Kubernetes mounts a config map as a link through `..data`, and renames another link onto that.
  await makeLink("..data/config.yml", at("link"));
  for (let version = 0; version <= 5; version++) {
    await Deno.mkdir(at(`v${version}`));
    await Deno.writeTextFile(at(`v${version}/config.yml`), `version ${version}`);
    await makeLink(`v${version}`, at("..data_tmp"));
    await Deno.rename(at("..data_tmp"), at("..data"));
    if (version === 0) await Deno.rename(at("link"), path);
    await sees(`version ${version}`);
  }
  await Deno.remove(path);
  await sees(undefined);
});
