import assert from "node:assert/strict";
import { Stage } from "../../sim/stage.ts";
import { startAs, succeedsAs } from "../fakes/run_as.ts";
import { rootTests } from "../root/test_root.ts";

const GROUP = 4711;
const MEMBER = { uid: 65534, gid: GROUP };
const START_MS = 5000;
const test = rootTests(import.meta.url, { etc: true });

// Any process that can open a directory can lock it, and the daemon took that for another daemon.
test("a member of the group that locks the socket directory stops no start", async () => {
  await Deno.writeTextFile("/etc/group", `ngrokd:x:${GROUP}:nobody\n`, { append: true });
  await using stage = await Stage.open();
  const run = `${stage.directory}/run`;
  await Deno.chmod(stage.directory, 0o755);
  stage.startDaemon();
  await stage.settled(0);
  const { mode, gid } = await Deno.lstat(run);
  assert.deepEqual([mode! & 0o7777, gid], [0o2750, GROUP]);
  assert.equal(await stage.stopDaemon(), 0);
  // The daemon leaves none, but one that was killed would.
  await Deno.writeTextFile(`${run}/ngrokd.sock.lock`, "", { mode: 0o600 });
  assert.equal(await succeedsAs(MEMBER, `flock -n ${run}/ngrokd.sock.lock true`), false);
  await Deno.chmod(`${run}/ngrokd.sock.lock`, 0o660);
  await Deno.chown(`${run}/ngrokd.sock.lock`, 0, GROUP);

  await using _directory = startAs(MEMBER, ["flock", run, "sleep", "60"]);
  await using _file = startAs(MEMBER, ["flock", `${run}/ngrokd.sock.lock`, "sleep", "60"]);
  await stage.until("both locks", async () => {
    const isFree = [run, `${run}/ngrokd.sock.lock`].map((path) =>
      succeedsAs(MEMBER, `flock -n ${path} true`)
    );
    return !(await Promise.all(isFree)).includes(true);
  });
  const start = performance.now();
  stage.startDaemon();
  await stage.settled(0);
  assert.ok(performance.now() - start < START_MS);
  assert.equal(await succeedsAs(MEMBER, `test -w ${stage.socketPath}`), true);
});
