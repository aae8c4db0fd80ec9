import assert from "node:assert/strict";
import { join } from "node:path";
import { configure, type LogRecord, reset } from "@logtape/logtape";
import FakeTimers from "@sinonjs/fake-timers";
import { type WatchedStat, watchFile, type WatchOptions } from "../../src/system/watch_file.ts";
import { FileError } from "../../src/model/errors.ts";
import { readTextIfAny, statTarget } from "../../src/system/files.ts";

/** A file whose stat is set by hand, watched under a clock that is moved by hand. */
async function watched(options: Partial<WatchOptions>, test: (world: World) => Promise<void>): Promise<void> {
  const clock = FakeTimers.install({ toFake: ["setTimeout", "clearTimeout"] });
  let stat: WatchedStat | undefined | Error = { inode: 1, mtimeMs: 1, size: 1 };
  let calls = 0;
  try {
    await using watch = await watchFile("/etc/ngrokd/config.yml", {
      stat: () => stat instanceof Error ? Promise.reject(stat) : Promise.resolve(stat),
      onChange: () => void calls++,
      ...options,
    });
    await test({
      set: (next) => stat = next,
      pass: async (ms) => void await clock.tickAsync(ms),
      acknowledge: () => watch.acknowledge(),
      calls: () => calls,
    });
  } finally {
    clock.uninstall();
  }
}

interface World {
  set(stat: WatchedStat | undefined | Error): void;
  pass(ms: number): Promise<void>;
  acknowledge(): Promise<void>;
  calls(): number;
}

Deno.test("watchFile() says nothing while the file stays as it is", async () => {
  await watched({}, async ({ pass, calls }) => {
    await pass(60_000);
    assert.equal(calls(), 0);
  });
});

for (const change of ["inode", "mtimeMs", "size"]) {
  Deno.test(`watchFile() notices another ${change} within 5 s (F70)`, async () => {
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
    ["at even times", () => 5],
    ["in bursts", (write: number) => write % 200 === 0 ? 1000 : 0],
    ["with a long pause now and then", (write: number) => write % 250 === 0 ? 1250 : 0],
  ] as const
) {
  Deno.test(`watchFile() sees 1,000 writes in 5 s, ${pattern}, in 5 calls at most, the last one with the last content (F71)`, async () => {
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

Deno.test("watchFile() notices within 5 s a file that is written all the time (it waited until it would rest)", async () => {
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

Deno.test("watchFile() notices that the file goes, that it returns, and that it cannot be read", async () => {
  await watched({}, async ({ set, pass, calls }) => {
    const states = [
      undefined,
      { inode: 2, mtimeMs: 2, size: 2 },
      new FileError("Cannot look at it: permission denied", { path: "x", reason: "denied" }),
      new TypeError("broken"),
    ];
    for (const [index, state] of states.entries()) {
      set(state);
      await pass(5000);
      assert.equal(calls(), index + 1);
    }
  });
});

Deno.test("watchFile() does not mind a file that is gone for a moment while it is replaced", async () => {
  await watched({ intervalMs: 100, debounceMs: 500 }, async ({ set, pass, calls }) => {
    set(undefined);
    await pass(300);
    set({ inode: 2, mtimeMs: 2, size: 2 });
    await pass(5000);
    assert.equal(calls(), 1);
  });
});

Deno.test("watchFile() says nothing when the file is again what it was", async () => {
  await watched({}, async ({ set, pass, calls }) => {
    set(undefined);
    await pass(2100);
    set({ inode: 1, mtimeMs: 1, size: 1 });
    await pass(10_000);
    assert.equal(calls(), 0);
  });
});

Deno.test("watchFile() does not report an own write that was acknowledged, before or during the debounce", async () => {
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

Deno.test("watchFile() goes on after a listener that fails, and logs the failure", async () => {
  const records: LogRecord[] = [];
  await configure({
    sinks: { memory: (record) => void records.push(record) },
    loggers: [{ category: "ngrokd", sinks: ["memory"] }, { category: ["logtape", "meta"], sinks: [] }],
  });
  let calls = 0;
  const onChange = () => {
    calls++;
    throw new TypeError("broken listener");
  };
  try {
    await watched({ onChange }, async ({ set, pass }) => {
      for (const mtimeMs of [2, 3]) {
        set({ inode: 1, mtimeMs, size: 1 });
        await pass(5000);
      }
    });
  } finally {
    await reset();
  }
  assert.equal(calls, 2);
  assert.deepEqual(records.map((record) => record.level), ["error", "error"]);
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

Deno.test("watchFile() sees real files written, renamed onto five times, and swapped five times behind symlinks (F70)", async () => {
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
  // As Kubernetes mounts a config map: the file is a link through `..data`, which a rename makes another directory.
  await link("..data/config.yml", at("link"));
  for (let version = 0; version <= 5; version++) {
    await Deno.mkdir(at(`v${version}`));
    await Deno.writeTextFile(at(`v${version}/config.yml`), `version ${version}`);
    await link(`v${version}`, at("..data_tmp"));
    await Deno.rename(at("..data_tmp"), at("..data"));
    if (version === 0) await Deno.rename(at("link"), path);
    await sees(`version ${version}`);
  }
  await Deno.remove(path);
  await sees(undefined);
});

/** Deno makes symlinks for unscoped permissions only. */
async function link(target: string, path: string): Promise<void> {
  const { success } = await new Deno.Command("/bin/ln", { args: ["-s", target, path] }).output();
  assert(success);
}
