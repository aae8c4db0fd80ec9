import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { renderBlock } from "../../../src/names/hosts/hosts_block.ts";
import { type FileOnDisk, fileOnDisk } from "../file_on_disk.ts";
import { someNames } from "./hosts_texts.ts";

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

/** The command of a process that publishes names and may use only the hosts file. */
function publishing(path: string, count: number): string {
  const own = `${path},${path}.ngrokd.tmp`;
  return `"${Deno.execPath()}" run --quiet --no-prompt --allow-sys=uid --allow-read="${own}" --allow-write="${own}" "${PROGRAM}" "${path}" ${count}`;
}

const canMount = Deno.build.os === "linux" && Deno.uid() === 0 &&
  new Deno.Command("unshare", { args: ["-m", "true"] }).outputSync().success;

/** A test that mounts in a mount namespace of its own. */
function mountTest(name: string, body: (file: FileOnDisk) => Promise<void>): void {
  Deno.test({
    name: `${name}${canMount ? "" : " (skipped: needs root and a mount namespace)"}`,
    ignore: !canMount,
    async fn() {
      await using file = await fileOnDisk("hosts", USER);
      await body(file);
    },
  });
}

for (const umask of ["022", "027", "077"]) {
  Deno.test(`HostsFile keeps the mode and creates files with 0644 under umask ${umask} (F8)`, async () => {
    await using file = await fileOnDisk("hosts", USER);
    const [kept, made] = [file.path, `${file.directory}/new`];
    await Deno.chmod(kept, 0o644);
    if (Deno.uid() === 0) await Deno.chown(kept, 65534, 65533);
    const { uid, gid } = await Deno.stat(kept);
    await sh(`umask ${umask}; ${publishing(kept, 1)}; ${publishing(made, 1)}`);
    const after = await Deno.stat(kept);
    assert.deepEqual([after.mode! & 0o777, after.uid, after.gid], [0o644, uid, gid]);
    assert.equal((await Deno.stat(made)).mode! & 0o777, 0o644);
    assert.equal(await file.read(made), renderBlock(someNames(1)));
  });
}

mountTest("HostsFile writes a bind-mounted file in place, with one warning (F4)", async (file) => {
  const { path, directory } = file;
  const other = `${directory}/other`;
  await Deno.writeTextFile(other, USER);
  const script = `mount --bind ${other} ${path}; ${publishing(path, 2)}; ls -A ${directory} >&2`;
  const outcome: Printed = JSON.parse(await sh(script, { unshared: true }));
  assert.deepEqual(outcome, {
    changed: true,
    warnings: [`Cannot replace ${path}; writing it in place`],
  });
  assert.equal(await file.read(other), `${USER}\n${renderBlock(someNames(2))}`);
  assert.equal(await file.read(), USER, "outside the namespace nothing has changed");
  assert.deepEqual(await file.list(), ["hosts", "other"]);
});

mountTest("HostsFile leaves a read-only file alone and reports it (F3)", async (file) => {
  const { path, directory } = file;
  const readOnly = `mount --bind ${directory} ${directory}; mount -o remount,ro,bind ${directory}`;
  const printed: Printed = JSON.parse(await sh(`${readOnly}; ${publishing(path, 1)}`, { unshared: true }));
  assert.equal(printed.changed, false);
  assert.equal(printed.problem, `Cannot write ${path}: the file system is read-only`);
  assert.equal(await file.read(), USER);
});

mountTest("HostsFile keeps the old file when the disk is full, in place too (F2)", async (file) => {
  const { path, directory } = file;
  const user = USER.repeat(180);
  await file.write(user);
  const disk = `${directory}/disk`;
  const fill = `mkdir ${disk}; mount -t tmpfs -o size=64k none ${disk}; cp ${path} ${disk}/hosts; ` +
    `dd if=/dev/zero of=${disk}/fill bs=4k 2>/dev/null || true`;
  const mounted = `${fill}; mount --bind ${disk}/hosts ${path}`;
  for (const [prepare, target] of [[fill, `${disk}/hosts`], [mounted, path]] as const) {
    const script = `${prepare}; ${publishing(target, 250)}; echo; cat ${disk}/hosts; ls -A ${disk}`;
    const printed = await sh(script, { unshared: true });
    assert.match(printed, /"problem":"Cannot write [^"]*: the disk is full"/);
    assert.ok(printed.endsWith(`\n${user}fill\nhosts\n`));
    await Deno.remove(disk);
  }
});
