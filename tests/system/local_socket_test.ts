import assert from "node:assert/strict";
import { BindError, type BindFailure } from "../../src/model/errors.ts";
import { groupId } from "../../src/system/groups.ts";
import { connectLocal, isServed, listenLocal, localFailure } from "../../src/system/local_socket.ts";
import { correctMode } from "../../src/system/socket_directory.ts";
import { captureLog } from "../fakes/captured_log.ts";
import { runModule } from "../fakes/run_module.ts";
import { makeLink } from "../fakes/special_files.ts";
import { temporaryDirectory } from "../fakes/temporary_directory.ts";

const IS_ROOT = Deno.uid() === 0;

function refuses(reason: BindFailure, text: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof BindError, String(error));
    assert.equal(error.reason, reason, error.message);
    assert.match(error.message, text);
    return true;
  };
}

function mode(path: string): number {
  return Deno.lstatSync(path).mode! & 0o7777;
}

/** Leaves the socket of a process that was killed. */
async function leaveStale(path: string): Promise<void> {
  const code = `Deno.listen({ transport: "unix", path: "${path}" }); Deno.kill(Deno.pid, "SIGKILL");`;
  await runModule(code, {
    permissions: ["--allow-read", "--allow-write=/tmp", "--allow-run", `--allow-net=unix:${path}`],
  });
  assert.equal((await Deno.lstat(path)).isSocket, true);
}

Deno.test("isServed() is true for a socket that accepts, and for no stale one and no link", async () => {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/go.sock`;
  assert.equal(await isServed(path), false);
  await leaveStale(path);
  assert.equal(await isServed(path), false);
  await Deno.remove(path);
  {
    using _go = Deno.listen({ transport: "unix", path });
    await makeLink(path, `${path}.link`);
    assert.deepEqual([await isServed(path), await isServed(`${path}.link`)], [true, false]);
  }
});

Deno.test("listenLocal() carries bytes both ways, and close() removes the path", async () => {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/run/x.sock`;
  const listener = await listenLocal(path);
  const [server, client] = await Promise.all([listener.accept(), connectLocal(path)]);
  const buffer = new Uint8Array(10);
  await client.write(new Uint8Array([1, 2]));
  await client.closeWrite();
  assert.equal(await server.read(buffer), 2);
  assert.equal(await server.read(buffer), null);
  await server.write(new Uint8Array([3]));
  assert.equal(await client.read(buffer), 1);
  server.close();
  client.close();
  listener.close();
  await assert.rejects(Deno.lstat(path), Deno.errors.NotFound);
});

/** Opens a socket in a process of its own, and returns the modes of directory and socket. */
async function modesOf(directory: string, options: { shell: string; group?: string }): Promise<string> {
  const { shell, group } = options;
  const path = `${directory}/run/x.sock`;
  const code = `import { listenLocal } from "../../src/system/local_socket.ts";
    await listenLocal("${path}", ${JSON.stringify({ group })});
    const mode = (path) => (Deno.lstatSync(path).mode & 0o7777).toString(8);
    console.log(mode("${directory}/run"), mode("${path}"));
    Deno.exit(0);`;
  const permissions = ["--allow-read", "--allow-write=/tmp", "--allow-sys=uid", `--allow-net=unix:${path}`];
  const { stdout, stderr } = await runModule(code, { shell, permissions });
  return stdout.trim() || stderr;
}

Deno.test("listenLocal() makes directory and socket private under any umask", async () => {
  await using directory = await temporaryDirectory();
  for (const umask of ["000", "077"]) {
    assert.equal(await modesOf(directory.path, { shell: `umask ${umask}; exec "$@"` }), "700 600");
  }
});

/** Registers a test that gives files to another group. */
function testAsRoot(name: string, test: (directory: string) => Promise<void>): void {
  Deno.test({
    name,
    ignore: !IS_ROOT || Deno.build.os !== "linux",
    async fn() {
      await using directory = await temporaryDirectory();
      await test(directory.path);
    },
  });
}

testAsRoot("listenLocal() gives directory and socket to the group, if it exists", async (directory) => {
  const gid = await groupId("daemon");
  assert.ok(gid !== undefined && gid !== Deno.gid());
  const path = `${directory}/run/x.sock`;
  (await listenLocal(path, { group: "daemon" })).close();
  assert.equal(mode(`${directory}/run`), 0o2750);
  const listener = await listenLocal(path, { group: "daemon" });
  assert.equal(mode(path), 0o660);
  assert.equal((await Deno.lstat(path)).gid, gid);
  listener.close();
  const other = await listenLocal(`${directory}/other/x.sock`, { group: "no-such-group" });
  assert.equal(mode(`${directory}/other`), 0o700);
  assert.equal(mode(other.path), 0o600);
  other.close();
});

testAsRoot("listenLocal() corrects the group of a directory that it made before", async (directory) => {
  await Deno.mkdir(`${directory}/run`);
  for (const [group, open] of [["bin", 0o2750], ["bin", 0o770], ["root", 0o700]] as const) {
    await Deno.chown(`${directory}/run`, null, (await groupId(group))!);
    await Deno.chmod(`${directory}/run`, open);
    const listener = await listenLocal(`${directory}/run/x.sock`, { group: "daemon" });
    assert.deepEqual([mode(`${directory}/run`), mode(listener.path)], [0o2750, 0o660]);
    assert.equal((await Deno.lstat(listener.path)).gid, await groupId("daemon"));
    listener.close();
  }
  // Without the group, the former one may not stay.
  (await listenLocal(`${directory}/run/x.sock`, { group: "no-such-group" })).close();
  assert.equal(mode(`${directory}/run`), 0o700);
});

testAsRoot(
  "listenLocal() does not open the socket to the group of a directory of others",
  async (directory) => {
    await Deno.mkdir(`${directory}/run`);
    await Deno.writeTextFile(`${directory}/run/other.pid`, "1");
    await Deno.chown(`${directory}/run`, null, (await groupId("bin"))!);
    await Deno.chmod(`${directory}/run`, 0o2750);
    const listener = await listenLocal(`${directory}/run/x.sock`, { group: "daemon" });
    assert.equal(mode(listener.path), 0o600);
    listener.close();
  },
);

testAsRoot(
  "listenLocal() corrects a directory with old files of ngrokd, and logs what else hinders",
  async (directory) => {
    const run = `${directory}/run`;
    await Deno.mkdir(run);
    await using logged = await captureLog();
    for (
      const [name, open] of [["lock.old", 0o660], ["y.sock.lock", 0o660], ["other.sock", 0o600]] as const
    ) {
      await Deno.writeTextFile(`${run}/${name}`, "");
      await Deno.chmod(run, 0o700);
      const listener = await listenLocal(`${run}/x.sock`, { group: "daemon" });
      assert.equal(mode(listener.path), open, name);
      listener.close();
    }
    const says = `Leaving group and mode of ${run} as they are: it holds other.sock`;
    assert.deepEqual(logged.lines("info"), [says]);
  },
);

// RestrictSUIDSGID= of systemd refuses every chmod that sets the bit.
Deno.test("correctMode() keeps a mode without the setgid bit if the system refuses the bit", async () => {
  for (const [present, isKept] of [[0o750, true], [0o700, true], [0o770, false]] as const) {
    const corrected = correctMode({
      stat: () => Promise.resolve({ uid: 0, gid: 7, mode: 0o40000 | present } as never),
      chmod: () => Promise.reject(new Deno.errors.PermissionDenied()),
      chown: () => Promise.resolve(),
    }, 7);
    if (isKept) await corrected;
    else await assert.rejects(corrected, Deno.errors.PermissionDenied);
  }
});

testAsRoot("listenLocal() refuses a directory that others own or can replace", async (directory) => {
  const path = `${directory}/run/x.sock`;
  await Deno.mkdir(`${directory}/run`, { mode: 0o700 });
  await Deno.chown(`${directory}/run`, 65534, 65534);
  await assert.rejects(listenLocal(path), refuses("unsafe", /user 65534 owns the directory/));
  await Deno.chown(`${directory}/run`, 0, 0);
  await Deno.chmod(directory, 0o777);
  await assert.rejects(listenLocal(path), refuses("unsafe", /other users can write to the directory/));
  await Deno.chmod(directory, 0o1777);
  (await listenLocal(path)).close();
});

testAsRoot("listenLocal() keeps the socket private if it cannot change the group", async (directory) => {
  const shell = 'exec setpriv --bounding-set=-chown --inh-caps=-chown "$@"';
  assert.equal(await modesOf(directory, { shell, group: "daemon" }), "700 600");
});

Deno.test("listenLocal() replaces a stale socket (F21)", async () => {
  await using directory = await temporaryDirectory();
  await Deno.chmod(directory.path, 0o700);
  const path = `${directory.path}/x.sock`;
  await leaveStale(path);
  await assert.rejects(connectLocal(path), (error) => localFailure(error) === "absent");
  (await listenLocal(path)).close();
});

Deno.test("listenLocal() does not steal a live socket (F22)", async () => {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/run/x.sock`;
  const first = await listenLocal(path);
  await assert.rejects(listenLocal(path), refuses("in_use", /another ngrokd is running and answers on it$/));
  const probe = await first.accept();
  probe.close();
  const [server, client] = await Promise.all([first.accept(), connectLocal(path)]);
  server.close();
  client.close();
  first.close();
});

Deno.test("listenLocal() succeeds once if several callers replace a stale socket", async () => {
  await using directory = await temporaryDirectory();
  await Deno.chmod(directory.path, 0o700);
  const path = `${directory.path}/x.sock`;
  await leaveStale(path);
  const results = await Promise.allSettled(Array.from({ length: 8 }, () => listenLocal(path)));
  const listeners = results.flatMap((result) => result.status === "fulfilled" ? [result.value] : []);
  assert.equal(listeners.length, 1);
  for (const result of results) {
    if (result.status === "rejected") refuses("in_use", /another ngrokd is/)(result.reason);
  }
  const streams = await Promise.all([listeners[0]!.accept(), connectLocal(path)]);
  for (const stream of streams) stream.close();
  listeners[0]!.close();
});

Deno.test("listenLocal() rejects a directory that others can enter, and returns the command", async () => {
  await using directory = await temporaryDirectory();
  for (const open of [0o755, 0o701, 0o704, 0o702, 0o1777]) {
    await Deno.chmod(directory.path, open);
    await assert.rejects(listenLocal(`${directory.path}/x.sock`), (error) => {
      assert.match((error as BindError).hint!, /^Run: chmod o= /);
      return refuses("unsafe", /other users can enter the directory/)(error);
    });
    assert.deepEqual(await Array.fromAsync(Deno.readDir(directory.path)), []);
  }
});

Deno.test("listenLocal() checks the directory of a relative path, and creates none", async () => {
  const { stdout, stderr } = await runModule(
    `import { listenLocal } from "../../src/system/local_socket.ts";
    const directory = await Deno.makeTempDir();
    Deno.chdir(directory);
    const listener = await listenLocal("ngrokd.sock");
    const names = [...Deno.readDirSync(".")].map((entry) => entry.name);
    listener.close();
    await Deno.chmod(directory, 0o755);
    const why = await listenLocal("ngrokd.sock").then(() => "it was opened", (error) => error.message);
    console.log(JSON.stringify([names, why]));
    await Deno.remove(directory, { recursive: true });`,
    { permissions: ["-A"] },
  );
  assert.deepEqual(JSON.parse(stdout || "null"), [
    ["ngrokd.sock"],
    "Cannot bind ngrokd.sock: other users can enter the directory .",
  ], stderr);
});

Deno.test("listenLocal() does not remove a file that is not a socket", async () => {
  await using directory = await temporaryDirectory();
  await Deno.chmod(directory.path, 0o700);
  const path = `${directory.path}/x.sock`;
  await Deno.writeTextFile(path, "precious");
  await assert.rejects(listenLocal(path), refuses("in_use", /a file that is not a socket has this path$/));
  await makeLink(path, `${directory.path}/link`);
  await assert.rejects(listenLocal(`${directory.path}/link`), refuses("in_use", /not a socket/));
  assert.equal(await Deno.readTextFile(path), "precious");
});

Deno.test("listenLocal() throws BindError if the directory cannot be created", async () => {
  await using directory = await temporaryDirectory();
  await assert.rejects(listenLocal(`${directory.path}/no/parent/x.sock`), BindError);
});

Deno.test("localFailure() distinguishes an absent socket from a denied one", async () => {
  await using directory = await temporaryDirectory();
  await assert.rejects(connectLocal(`${directory.path}/none`), (error) => localFailure(error) === "absent");
  assert.equal(localFailure(new Deno.errors.ConnectionRefused()), "absent");
  assert.equal(localFailure(new Deno.errors.PermissionDenied()), "denied");
  assert.equal(localFailure(new Deno.errors.NotCapable()), "denied");
  assert.equal(localFailure(new Error("x")), "other");
});
