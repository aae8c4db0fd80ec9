import assert from "node:assert/strict";
import { Stage } from "../../sim/stage.ts";
import { createFile } from "../../src/system/files.ts";
import { startAs } from "../fakes/run_as.ts";
import { temporaryDirectory } from "../fakes/temporary_directory.ts";
import { NEEDS_ROOT, ROOT_REASON } from "../root/needs_root.ts";

const NOBODY = 65534;
const ROUNDS = 400;

/**
 * A directory of the attacker below this one, in which `hosts.ngrokd.tmp` is replaced all the time
 * by a link to root's file.
 */
async function swapping(parent: string): Promise<Swapping> {
  await Deno.chmod(parent, 0o755);
  const [victim, home] = [`${parent}/victim`, `${parent}/home`];
  await Deno.writeTextFile(victim, "secret", { mode: 0o600 });
  await Deno.mkdir(home);
  await Deno.chown(home, NOBODY, NOBODY);
  const swap = `chdir "${home}"; while (1) { symlink "${victim}", "l"; rename "l", "hosts.ngrokd.tmp" }`;
  const attacker = startAs({ uid: NOBODY }, ["perl", "-e", swap]);
  return {
    home,
    async assertUntouched() {
      const { mode, uid } = await Deno.lstat(victim);
      assert.deepEqual([mode! & 0o7777, uid], [0o600, 0]);
      assert.equal(await Deno.readTextFile(victim), "secret");
    },
    [Symbol.asyncDispose]: () => attacker[Symbol.asyncDispose](),
  };
}

interface Swapping extends AsyncDisposable {
  readonly home: string;
  /** The file of root has its owner, mode and bytes. */
  assertUntouched(): Promise<void>;
}

// Root's file became 0644 and the attacker's, because chmod and chown followed the link.
Deno.test({
  name: `createFile() changes no file that a swapped link leads to${ROOT_REASON}`,
  ignore: NEEDS_ROOT,
  async fn() {
    await using directory = await temporaryDirectory();
    await using attack = await swapping(directory.path);
    const options = { mode: 0o644, owner: { uid: NOBODY, gid: NOBODY } };
    let written = 0;
    for (let round = 0; round < ROUNDS; round++) {
      await createFile(`${attack.home}/hosts.ngrokd.tmp`, new Uint8Array(10), options)
        .then(() => written++, () => {});
      await attack.assertUntouched();
    }
    assert.ok(written > 0, "no write was tried to its end");
  },
});

Deno.test({
  name: `a daemon of root publishes no names in a directory of another user, and says why${ROOT_REASON}`,
  ignore: NEEDS_ROOT,
  async fn() {
    await using stage = await Stage.open({ pollSeconds: 1 });
    await using attack = await swapping(stage.directory);
    const hosts = `${attack.home}/hosts`;
    await Deno.writeTextFile(hosts, "127.0.0.1\tlocalhost\n");
    stage.cloud.addEndpoint({ url: "http://api.myapp:8181", backend: "http" });
    stage.startDaemon({ environment: { NGROKD_HOSTS_PATH: hosts } });
    await stage.active(1);
    await stage.until(
      "the reason",
      async () => /user 65534 owns the directory/.test((await stage.askStatus()).names.reason ?? ""),
    );
    assert.equal(await Deno.readTextFile(hosts), "127.0.0.1\tlocalhost\n");
    assert.equal(await stage.stopDaemon(), 0);
    await attack.assertUntouched();
  },
});
