import assert from "node:assert/strict";
import { Stage } from "../../sim/stage.ts";
import { rootTests } from "../root/test_root.ts";

const GROUP_ID = 47_109;
const MEMBER = `setpriv --reuid=65534 --regid=${GROUP_ID} --clear-groups`;

const test = rootTests(import.meta.url, { etc: true, prelude: `echo "ngrokd:x:${GROUP_ID}:" >/etc/group` });

async function withDaemon(attack: (stage: Stage) => Promise<void>): Promise<void> {
  await using stage = await Stage.open({
    shipped: true,
    prelude: `install -d -m 2750 -g ${GROUP_ID} /run/ngrokd`,
  });
  stage.cloud.addEndpoint({ url: "tcp://db.internal:8184", backend: "echo" });
  stage.startDaemon();
  await stage.active(1);
  await attack(stage);
}

/** A member of the socket's group with many connections, each of which sends a text and stays. */
class Member implements AsyncDisposable {
  readonly #shell: Deno.ChildProcess;

  constructor(socket: string, { count, request }: { count: number; request: string }) {
    const one = `(printf '%s' '${request}'; exec sleep 60) | nc -U ${socket} >/dev/null &`;
    const script = `for i in $(seq ${count}); do ${one} done; echo open; wait`;
    this.#shell = new Deno.Command("/bin/sh", {
      args: ["-c", `exec setsid ${MEMBER} /bin/sh -c "$1"`, "sh", script],
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
  }

  async untilOpen(): Promise<void> {
    for await (const _open of this.#shell.stdout) break;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    Deno.kill(-this.#shell.pid, "SIGKILL");
    await this.#shell.status;
  }
}

/** Asks as root with ngrokctl. */
async function assertAnswers(stage: Stage): Promise<void> {
  const { code, stderr } = await stage.ctl(["status"]);
  assert.equal(code, 0, stderr);
}

test("70 half-open requests of a group member do not keep root from asking (R72)", async () => {
  await withDaemon(async (stage) => {
    await using member = new Member(stage.socketPath, { count: 70, request: '{"command":' });
    await member.untilOpen();
    await assertAnswers(stage);
    // Members of the group are not kept out either.
    assert.equal((await stage.askStatus()).active_count, 1);
  });
});

test("70 commands that take their time do not keep root from asking (R72)", async () => {
  await withDaemon(async (stage) => {
    stage.cloud.faults.set({ kind: "never_answer" });
    await using member = new Member(stage.socketPath, {
      count: 70,
      request: '{"command":"refresh-cert","args":["--force"]}',
    });
    await member.untilOpen();
    await assert.rejects(stage.askStatus());
    await assertAnswers(stage);
  });
});

test("a group member cannot enter the directory of root's socket (R72)", async () => {
  await withDaemon(async (stage) => {
    const socket = stage.socketPath.replace("/ngrokd.sock", "/owner/ngrokd.sock");
    const { code } = await new Deno.Command("/bin/sh", {
      args: ["-c", `exec ${MEMBER} nc -U -z ${socket}`],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).output();
    assert.notEqual(code, 0);
    const { mode, uid } = await Deno.stat(socket.replace("/ngrokd.sock", ""));
    assert.deepEqual([mode! & 0o777, uid], [0o700, 0]);
  });
});
