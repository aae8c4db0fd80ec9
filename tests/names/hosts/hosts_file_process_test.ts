import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { renderBlock } from "../../../src/names/hosts/hosts_block.ts";
import { someNames } from "./hosts_fixtures.ts";

const USER = "127.0.0.1\tlocalhost\n";
const PROGRAM = fileURLToPath(new URL("./publish_once.ts", import.meta.url));

interface Printed {
  readonly changed: boolean;
  readonly problem?: string;
  readonly warnings: string[];
}

async function sh(script: string, options: { unshared?: boolean } = {}): Promise<string> {
  const argv = options.unshared ? ["unshare", "-m", "sh", "-ec", script] : ["sh", "-ec", script];
  const output = await new Deno.Command(argv[0]!, { args: argv.slice(1) }).output();
  assert.ok(output.success, new TextDecoder().decode(output.stderr));
  return new TextDecoder().decode(output.stdout);
}

/** The shell command that publishes `count` names in a process that may touch nothing but the hosts file and its temporary name. */
function publishing(path: string, count: number): string {
  const own = `${path},${path}.ngrokd.tmp`;
  return `"${Deno.execPath()}" run --quiet --no-prompt --allow-read="${own}" --allow-write="${own}" "${PROGRAM}" "${path}" ${count}`;
}

async function withDirectory(body: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${directory}/hosts`, USER);
    await body(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

function mayMount(): boolean {
  return Deno.build.os === "linux" && Deno.uid() === 0 &&
    new Deno.Command("unshare", { args: ["-m", "true"] }).outputSync().success;
}

const canMount = mayMount();
const withoutMounts = canMount ? "" : " (skipped: needs root and a mount namespace)";

for (const umask of ["022", "027", "077"]) {
  Deno.test(`HostsFile keeps the mode and makes files with 0644 under umask ${umask} (F8)`, async () => {
    await withDirectory(async (directory) => {
      const [kept, made] = [`${directory}/hosts`, `${directory}/new`];
      await Deno.chmod(kept, 0o644);
      if (Deno.uid() === 0) await Deno.chown(kept, 65534, 65533);
      const { uid, gid } = await Deno.stat(kept);
      await sh(`umask ${umask}; ${publishing(kept, 1)}; ${publishing(made, 1)}`);
      const after = await Deno.stat(kept);
      assert.deepEqual([after.mode! & 0o777, after.uid, after.gid], [0o644, uid, gid]);
      assert.equal((await Deno.stat(made)).mode! & 0o777, 0o644);
      assert.equal(await Deno.readTextFile(made), renderBlock(new Map([["n0.example", "10.107.0.2"]])));
    });
  });
}

Deno.test({
  name: `HostsFile writes a bind-mounted file in place, with one warning (F4)${withoutMounts}`,
  ignore: !canMount,
  async fn() {
    await withDirectory(async (directory) => {
      const path = `${directory}/hosts`;
      await Deno.writeTextFile(`${directory}/other`, USER);
      const printed = await sh(
        `mount --bind ${directory}/other ${path}; ${publishing(path, 2)}; ls -A ${directory} >&2`,
        {
          unshared: true,
        },
      );
      const outcome: Printed = JSON.parse(printed);
      assert.deepEqual(outcome, {
        changed: true,
        warnings: [`${path} cannot be replaced as a whole: it is written where it stands`],
      });
      assert.equal(await Deno.readTextFile(`${directory}/other`), `${USER}\n${renderBlock(someNames(2))}`);
      assert.equal(await Deno.readTextFile(path), USER, "outside the namespace nothing has changed");
      await assert.rejects(Deno.stat(`${path}.ngrokd.tmp`), Deno.errors.NotFound);
    });
  },
});

Deno.test({
  name: `HostsFile leaves a read-only file alone and says so (F3)${withoutMounts}`,
  ignore: !canMount,
  async fn() {
    await withDirectory(async (directory) => {
      const path = `${directory}/hosts`;
      const readOnly = `mount --bind ${directory} ${directory}; mount -o remount,ro,bind ${directory}`;
      const printed: Printed = JSON.parse(
        await sh(`${readOnly}; ${publishing(path, 1)}`, { unshared: true }),
      );
      assert.equal(printed.changed, false);
      assert.equal(printed.problem, `Cannot write ${path}: the file system is read-only`);
      assert.equal(await Deno.readTextFile(path), USER);
    });
  },
});

Deno.test({
  name:
    `HostsFile keeps the old file when the disk is full, also where it writes in place (F2)${withoutMounts}`,
  ignore: !canMount,
  async fn() {
    await withDirectory(async (directory) => {
      const path = `${directory}/hosts`;
      const user = "127.0.0.1\tlocalhost\n".repeat(180);
      await Deno.writeTextFile(path, user);
      const disk = `${directory}/disk`;
      const fill = `mkdir ${disk}; mount -t tmpfs -o size=64k none ${disk}; cp ${path} ${disk}/hosts; ` +
        `dd if=/dev/zero of=${disk}/fill bs=4k 2>/dev/null || true`;
      const replaced = await sh(
        `${fill}; ${publishing(`${disk}/hosts`, 250)}; echo; cat ${disk}/hosts; ls -A ${disk}`,
        {
          unshared: true,
        },
      );
      assert.match(replaced, /"problem":"Cannot write [^"]*: the disk is full"/);
      assert.ok(replaced.endsWith(`\n${user}fill\nhosts\n`));
      await Deno.remove(disk);
      const mounted = `${fill}; mount --bind ${disk}/hosts ${path}`;
      const inPlace = await sh(
        `${mounted}; ${publishing(path, 250)}; echo; cat ${disk}/hosts; ls -A ${disk}`,
        { unshared: true },
      );
      assert.match(inPlace, /"problem":"Cannot write [^"]*: the disk is full"/);
      assert.ok(inPlace.endsWith(`\n${user}fill\nhosts\n`));
    });
  },
});
