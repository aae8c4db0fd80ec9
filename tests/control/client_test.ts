import FakeTimers from "@sinonjs/fake-timers";
import assert from "node:assert/strict";
import { callDaemon, DaemonError, type DaemonFailure } from "../../src/control/client.ts";
import type { ByteStream } from "../../src/system/byte_stream.ts";
import { connectLocal } from "../../src/system/local_socket.ts";
import { FakeStream } from "./fake_stream.ts";

const request = { command: "list", args: ["x"] };

function call(stream: ByteStream | (() => Promise<ByteStream>)): Promise<unknown> {
  const connect = typeof stream === "function" ? stream : () => Promise.resolve(stream);
  return callDaemon({ path: "/run/x.sock", request }, { connect, timeoutMs: 1_000 });
}

function failure(code: DaemonFailure, words: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof DaemonError);
    assert.equal(error.code, code);
    assert.match(error.message, words);
    return true;
  };
}

Deno.test("callDaemon() sends the request and returns the data of the answer", async () => {
  const stream = new FakeStream(['{"success":true,"da', 'ta":[1],"more":2}\n']);
  assert.deepEqual(await call(stream), [1]);
  assert.equal(stream.written, '{"command":"list","args":["x"]}\n');
  await stream.closed.promise;
});

Deno.test("callDaemon() throws the refusal of the daemon with its hint", async () => {
  const stream = new FakeStream(['{"success":false,"error":"API key required","hint":"Give one"}']);
  await assert.rejects(call(stream), (error: unknown) => {
    assert.equal((error as DaemonError).hint, "Give one");
    return failure("refused", /^API key required$/)(error);
  });
  await assert.rejects(call(new FakeStream(['{"success":false}'])), failure("refused", /no reason/));
});

Deno.test("callDaemon() refuses answers that are empty, malformed or too large", async () => {
  await assert.rejects(
    call(new FakeStream([])),
    failure("closed", /The daemon closed the connection without a response/),
  );
  await assert.rejects(call(new FakeStream(["hello"])), failure("malformed", /protocol/));
  await assert.rejects(call(new FakeStream(['{"data":1}'])), failure("malformed", /protocol/));
  const large = new FakeStream(["x".repeat(2 ** 25 + 1)]);
  await assert.rejects(call(large), failure("too_large", /larger than 33554432 bytes/));
});

Deno.test("callDaemon() reads the answer of a daemon that closed before reading everything", async () => {
  const stream = new FakeStream(['{"success":false,"error":"too much"}']);
  stream.write = () => Promise.reject(new Deno.errors.BrokenPipe());
  await assert.rejects(call(stream), failure("refused", /too much/));
  const reset = new FakeStream([]);
  reset.read = () => Promise.reject(new Deno.errors.ConnectionReset());
  await assert.rejects(call(reset), failure("closed", /closed/));
});

Deno.test("callDaemon() passes on unexpected errors of the stream", async () => {
  const broken = new FakeStream([]);
  broken.read = () => Promise.reject(new TypeError("broken"));
  await assert.rejects(call(broken), TypeError);
  const mute = new FakeStream([]);
  mute.write = () => Promise.reject(new TypeError("broken"));
  await assert.rejects(call(mute), TypeError);
});

Deno.test("callDaemon() times out on a silent daemon and closes a late connection", async () => {
  const clock = FakeTimers.install({ toFake: ["setTimeout", "clearTimeout"] });
  try {
    const silent = new FakeStream([], { silent: true });
    const waiting = assert.rejects(
      call(silent),
      failure("timeout", /No response from the daemon within 1 s/),
    );
    await clock.tickAsync(1_000);
    await waiting;
    await silent.closed.promise;

    const late = new FakeStream([], { silent: true });
    const connection = Promise.withResolvers<ByteStream>();
    const connecting = assert.rejects(
      call(() => connection.promise),
      failure("timeout", /No response from the daemon within/),
    );
    await clock.tickAsync(1_000);
    await connecting;
    connection.resolve(late);
    await late.closed.promise;
    assert.equal(late.written, "");
  } finally {
    clock.uninstall();
  }
});

Deno.test("callDaemon() distinguishes the reasons that it cannot connect", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const path = `${directory}/s`;
    const options = { connect: connectLocal, timeoutMs: 1_000 };
    await assert.rejects(
      callDaemon({ path, request }, options),
      failure("absent", /^failed to connect to daemon: nothing listens/),
    );
    const socket = Deno.listen({ transport: "unix", path });
    await Deno.rename(path, `${path}2`);
    socket.close();
    await assert.rejects(
      callDaemon({ path: `${path}2`, request }, options),
      failure("absent", /nothing listens/),
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
