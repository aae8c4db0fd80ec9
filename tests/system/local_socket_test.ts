import assert from "node:assert/strict";
import { BindError, type BindFailure } from "../../src/model/errors.ts";
import { groupId } from "../../src/system/groups.ts";
import { connectLocal, holdLock, listenLocal, localFailure } from "../../src/system/local_socket.ts";
import { runModule } from "../fakes/run_module.ts";
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

/** A socket whose process is gone. */
async function leaveStale(path: string): Promise<void> {
  const code = `Deno.listen({ transport: "unix", path: "${path}" }); Deno.kill(Deno.pid, "SIGKILL");`;
  await runModule(code, {
    permissions: ["--allow-read", "--allow-write=/tmp", "--allow-run", `--allow-net=unix:${path}`],
  });
  assert.equal((await Deno.lstat(path)).isSocket, true);
}

Deno.test("listenLocal() carries bytes both ways, and close() takes the path with it", async () => {
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

Deno.test("listenLocal() makes directory and socket the owner's alone, whatever the umask is", async () => {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/run/x.sock`;
  const code = `import { listenLocal } from "../../src/system/local_socket.ts";
    await listenLocal("${path}");
    console.log(["${directory.path}/run", "${path}"].map((path) => (Deno.lstatSync(path).mode & 0o7777).toString(8)).join(" "));
    Deno.exit(0);`;
  for (const umask of ["000", "077"]) {
    const permissions = ["--allow-read", "--allow-write=/tmp", `--allow-net=unix:${path}`];
    const { stdout, stderr } = await runModule(code, { shell: `umask ${umask}; exec "$@"`, permissions });
    assert.equal(stdout.trim(), "700 600", stderr);
  }
});

Deno.test({
  name: "listenLocal() gives the group a setgid directory and the socket, if this machine has the group",
  ignore: !IS_ROOT || Deno.build.os !== "linux",
  async fn() {
    await using directory = await temporaryDirectory();
    const gid = await groupId("daemon");
    assert.ok(gid !== undefined && gid !== Deno.gid());
    const path = `${directory.path}/run/x.sock`;
    (await listenLocal(path, { group: "daemon" })).close();
    assert.equal(mode(`${directory.path}/run`), 0o2750);
    const listener = await listenLocal(path, { group: "daemon" });
    assert.equal(mode(path), 0o660);
    assert.equal(Deno.lstatSync(path).gid, gid);
    listener.close();
    const other = await listenLocal(`${directory.path}/other/x.sock`, { group: "no-such-group" });
    assert.equal(mode(`${directory.path}/other`), 0o700);
    assert.equal(mode(other.path), 0o600);
    other.close();
  },
});

Deno.test({
  name: "listenLocal() does not open the socket to the group of a directory that is not ours (it did)",
  ignore: !IS_ROOT || Deno.build.os !== "linux",
  async fn() {
    await using directory = await temporaryDirectory();
    await Deno.mkdir(`${directory.path}/run`);
    await Deno.chown(`${directory.path}/run`, null, (await groupId("bin"))!);
    await Deno.chmod(`${directory.path}/run`, 0o2750);
    const listener = await listenLocal(`${directory.path}/run/x.sock`, { group: "daemon" });
    assert.equal(mode(listener.path), 0o600);
    listener.close();
  },
});

Deno.test({
  name:
    "listenLocal() serves its owner alone when it may not give the directory to the group (it failed, the first time)",
  ignore: !IS_ROOT || Deno.build.os !== "linux",
  async fn() {
    await using directory = await temporaryDirectory();
    const path = `${directory.path}/run/x.sock`;
    const code = `import { listenLocal } from "../../src/system/local_socket.ts";
      await listenLocal("${path}", { group: "daemon" });
      console.log(["${directory.path}/run", "${path}"].map((path) => (Deno.lstatSync(path).mode & 0o7777).toString(8)).join(" "));
      Deno.exit(0);`;
    const permissions = ["--allow-read", "--allow-write=/tmp", `--allow-net=unix:${path}`];
    const { stdout, stderr } = await runModule(code, {
      shell: 'exec setpriv --bounding-set=-chown --inh-caps=-chown "$@"',
      permissions,
    });
    assert.equal(stdout.trim(), "700 600", stderr);
  },
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

Deno.test("listenLocal() by several at once over a stale socket: exactly one has it, the others are told so in our words", async () => {
  await using directory = await temporaryDirectory();
  await Deno.chmod(directory.path, 0o700);
  const path = `${directory.path}/x.sock`;
  await leaveStale(path);
  const results = await Promise.allSettled(Array.from({ length: 8 }, () => listenLocal(path)));
  const won = results.flatMap((result) => result.status === "fulfilled" ? [result.value] : []);
  assert.equal(won.length, 1);
  for (const result of results) {
    if (result.status === "rejected") refuses("in_use", /another ngrokd is/)(result.reason);
  }
  await Promise.all([won[0]!.accept(), connectLocal(path)]).then((streams) =>
    streams.forEach((stream) => stream.close())
  );
  won[0]!.close();
});

Deno.test("listenLocal() refuses a directory that others can enter, and names the remedy", async () => {
  await using directory = await temporaryDirectory();
  for (const open of [0o755, 0o701, 0o704, 0o702, 0o1777]) {
    await Deno.chmod(directory.path, open);
    await assert.rejects(listenLocal(`${directory.path}/x.sock`), (error) => {
      assert.match((error as BindError).hint!, /^Run: chmod o= /);
      return refuses("denied", /other users can enter the directory/)(error);
    });
    assert.deepEqual(await Array.fromAsync(Deno.readDir(directory.path)), []);
  }
});

Deno.test("listenLocal() does not remove a file that is not a socket", async () => {
  await using directory = await temporaryDirectory();
  await Deno.chmod(directory.path, 0o700);
  const path = `${directory.path}/x.sock`;
  await Deno.writeTextFile(path, "precious");
  await assert.rejects(listenLocal(path), refuses("in_use", /a file that is not a socket has this path$/));
  await new Deno.Command("/bin/ln", { args: ["-s", path, `${directory.path}/link`] }).output();
  await assert.rejects(listenLocal(`${directory.path}/link`), refuses("in_use", /not a socket/));
  assert.equal(await Deno.readTextFile(path), "precious");
});

Deno.test("listenLocal() gives a BindError where no directory can be made", async () => {
  await using directory = await temporaryDirectory();
  await assert.rejects(listenLocal(`${directory.path}/no/parent/x.sock`), BindError);
});

Deno.test("localFailure() tells nobody there from not allowed", async () => {
  await using directory = await temporaryDirectory();
  await assert.rejects(connectLocal(`${directory.path}/none`), (error) => localFailure(error) === "absent");
  assert.equal(localFailure(new Deno.errors.ConnectionRefused()), "absent");
  assert.equal(localFailure(new Deno.errors.PermissionDenied()), "denied");
  assert.equal(localFailure(new Deno.errors.NotCapable()), "denied");
  assert.equal(localFailure(new Error("x")), "other");
});

Deno.test("holdLock() is held by one at a time, and its file goes with it", async () => {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/run/lock`;
  const held = (error: unknown) => error instanceof BindError && error.reason === "in_use";
  for (let round = 0; round < 2; round++) {
    const lock = await holdLock(path);
    assert.equal((await Deno.stat(path)).mode! & 0o777, 0o600);
    assert.equal((await Deno.stat(`${directory.path}/run`)).mode! & 0o777, 0o700);
    await assert.rejects(holdLock(path), held);
    await lock[Symbol.asyncDispose]();
    await assert.rejects(Deno.stat(path), Deno.errors.NotFound);
  }
  // As a daemon that was killed leaves it.
  await Deno.writeTextFile(path, "");
  await using _again = await holdLock(path);
});
