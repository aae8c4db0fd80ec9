import FakeTimers from "@sinonjs/fake-timers";
import assert from "node:assert/strict";
import { callDaemon, DaemonError, type DaemonFailure } from "../../src/control/client.ts";
import { connectLocal } from "../../src/system/local_socket.ts";
import type { ByteStream } from "../../src/system/net.ts";
import { FakeStream } from "./fake_stream.ts";

const request = { command: "list", args: ["x"] };

function call(stream: ByteStream | (() => Promise<ByteStream>), maxBytes?: number): Promise<unknown> {
  const connect = typeof stream === "function" ? stream : () => Promise.resolve(stream);
  return callDaemon({ path: "/run/x.sock", request }, {
    connect,
    timeoutMs: 1_000,
    ...(maxBytes !== undefined && { maxBytes }),
  });
}

function failure(code: DaemonFailure, words: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof DaemonError);
    assert.equal(error.code, code);
    assert.match(error.message, words);
    return true;
  };
}

Deno.test("callDaemon() sends the request and gives the answer's data", async () => {
  const stream = new FakeStream(['{"success":true,"da', 'ta":[1],"more":2}\n']);
  assert.deepEqual(await call(stream), [1]);
  assert.equal(stream.written, '{"command":"list","args":["x"]}\n');
  await stream.closed.promise;
});

Deno.test("callDaemon() gives the daemon's refusal with its hint", async () => {
  const stream = new FakeStream(['{"success":false,"error":"API key required","hint":"Give one"}']);
  await assert.rejects(call(stream), (error: unknown) => {
    assert.equal((error as DaemonError).hint, "Give one");
    return failure("refused", /^API key required$/)(error);
  });
  await assert.rejects(call(new FakeStream(['{"success":false}'])), failure("refused", /no reason/));
});

Deno.test("callDaemon() refuses answers that are empty, malformed or too large", async () => {
  await assert.rejects(call(new FakeStream([])), failure("closed", /closed the connection/));
  await assert.rejects(call(new FakeStream(["hello"])), failure("malformed", /protocol/));
  await assert.rejects(call(new FakeStream(['{"data":1}'])), failure("malformed", /protocol/));
  await assert.rejects(call(new FakeStream(["x".repeat(200)]), 100), failure("too_large", /100 bytes/));
});

Deno.test("callDaemon() reads the answer of a daemon that closed before it had read everything", async () => {
  const stream = new FakeStream(['{"success":false,"error":"too much"}']);
  stream.write = () => Promise.reject(new Deno.errors.BrokenPipe());
  await assert.rejects(call(stream), failure("refused", /too much/));
  const reset = new FakeStream([]);
  reset.read = () => Promise.reject(new Deno.errors.ConnectionReset());
  await assert.rejects(call(reset), failure("closed", /closed/));
});

Deno.test("callDaemon() passes on errors of the stream that are no ordinary end", async () => {
  const broken = new FakeStream([]);
  broken.read = () => Promise.reject(new TypeError("broken"));
  await assert.rejects(call(broken), TypeError);
  const mute = new FakeStream([]);
  mute.write = () => Promise.reject(new TypeError("broken"));
  await assert.rejects(call(mute), TypeError);
});

Deno.test("callDaemon() gives up on a silent daemon and on a connection that comes too late", async () => {
  const clock = FakeTimers.install({ toFake: ["setTimeout", "clearTimeout"] });
  try {
    const silent = new FakeStream([], { silent: true });
    const waiting = assert.rejects(call(silent), failure("timeout", /no answer in 1 s/));
    await clock.tickAsync(1_000);
    await waiting;
    await silent.closed.promise;

    const late = new FakeStream([], { silent: true });
    const connection = Promise.withResolvers<ByteStream>();
    const connecting = assert.rejects(call(() => connection.promise), failure("timeout", /no answer/));
    await clock.tickAsync(1_000);
    await connecting;
    connection.resolve(late);
    await late.closed.promise;
    assert.equal(late.written, "");
  } finally {
    clock.uninstall();
  }
});

Deno.test("callDaemon() names why it cannot connect", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const path = `${directory}/s`;
    const options = { connect: connectLocal, timeoutMs: 1_000 };
    await assert.rejects(
      callDaemon({ path, request }, options),
      failure("absent", /^failed to connect to daemon: nobody/),
    );
    const socket = Deno.listen({ transport: "unix", path });
    await Deno.rename(path, `${path}2`);
    socket.close();
    await assert.rejects(
      callDaemon({ path: `${path}2`, request }, options),
      failure("absent", /nobody answers/),
    );
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
  const refusing = (error: Error) => call(() => Promise.reject(error));
  await assert.rejects(
    refusing(new Deno.errors.PermissionDenied("x")),
    failure("denied", /permission denied on/),
  );
  await assert.rejects(refusing(new Deno.errors.NotCapable("x")), (error: unknown) => {
    assert.match((error as DaemonError).hint ?? "", /--allow-net=unix:\/run\/x\.sock/);
    return failure("not_capable", /permission set/)(error);
  });
  await assert.rejects(refusing(new Error("EAGAIN")), failure("unreachable", /EAGAIN/));
});
