import assert from "node:assert/strict";
import { UPLINK } from "../../src/dns/choose_upstreams.ts";
import { watchNameFiles } from "../../src/daemon/watch_name_files.ts";
import { HOSTS, RESOLV_CONF } from "../../src/names/select.ts";
import { realSystem } from "../../src/system/system.ts";
import { fakeClock } from "../fakes/fake_clock.ts";

/** File → the parts that follow a change of it. */
const FOLLOWERS: Readonly<Record<string, readonly string[]>> = {
  [HOSTS]: ["loop"],
  [RESOLV_CONF]: ["dns", "loop"],
  [UPLINK]: ["dns"],
};

for (const [path, followers] of Object.entries(FOLLOWERS)) {
  // A change of resolv.conf was noticed after 10 s.
  Deno.test(`watchNameFiles() follows a change of ${path} within 2 s (R100)`, async () => {
    using clock = fakeClock();
    const real = realSystem();
    const inodes = new Map<string, number>();
    const calls: string[] = [];
    const call = (part: string) => () => Promise.resolve(void calls.push(part));
    const stat = { ...await real.files.statTarget("/"), size: 1, mtimeMs: 1 };
    const statTarget = (file: string) => Promise.resolve({ ...stat, inode: inodes.get(file) ?? 1 });
    const system = {
      ...real,
      readEnvironment: () => undefined,
      files: { ...real.files, statTarget: statTarget as typeof real.files.statTarget },
    };
    await using _watches = await watchNameFiles(
      { loop: { reconcile: call("loop") }, dns: { refresh: call("dns") } },
      { system, signal: new AbortController().signal },
    );
    await clock.pass(60_000);
    assert.deepEqual(calls, []);
    for (const inode of [2, 3]) {
      inodes.set(path, inode);
      await clock.pass(2000);
      assert.deepEqual(calls.splice(0), followers);
    }
  });
}
