import FakeTimers from "@sinonjs/fake-timers";
import { configure, type LogRecord, reset } from "@logtape/logtape";
import assert from "node:assert/strict";
import {
  ANSWER_TIMEOUT_MS,
  COMMAND_TIMEOUT_MS,
  MAX_CONNECTIONS,
  REQUEST_TIMEOUT_MS,
  unknownCommand,
} from "../../src/control/protocol.ts";
import { type CommandHandler, type ControlListener, ControlServer } from "../../src/control/server.ts";
import { BindError } from "../../src/model/errors.ts";
import { type ByteStream, writeAll } from "../../src/system/byte_stream.ts";
import { isConnectionGone } from "../../src/system/errors.ts";
import { connectLocal, listenLocal } from "../../src/system/local_socket.ts";
import { FakeStream } from "./fake_stream.ts";

/** Answers `echo` with its arguments, `fail` and anything else with an error. */
const handler: CommandHandler = {
  handle(command, args) {
    if (command === "echo") return Promise.resolve(args);
    if (command === "nothing") return Promise.resolve(undefined);
    if (command === "loop") return Promise.resolve({ big: 1n });
    if (command === "fail") {
      throw new BindError("Cannot bind x: in use", { address: "x", reason: "in_use", hint: "Stop it" });
    }
    return Promise.reject(unknownCommand(command));
  },
};

/** A listener that accepts the streams and errors of the test. */
class FakeListener implements ControlListener {
  readonly #queue: (ByteStream | Error)[] = [];
  #waiting: PromiseWithResolvers<ByteStream> | undefined;
  accepts = 0;

  push(next: ByteStream | Error): void {
    this.#queue.push(next);
    this.#serve();
  }

  accept(): Promise<ByteStream> {
    this.accepts++;
    this.#waiting = Promise.withResolvers();
    const { promise } = this.#waiting;
    this.#serve();
    return promise;
  }

  close(): void {
    this.#waiting?.reject(new Deno.errors.BadResource("closed"));
  }

  #serve(): void {
    const waiting = this.#waiting;
    const next = waiting === undefined ? undefined : this.#queue.shift();
    if (next === undefined) return;
    this.#waiting = undefined;
    if (next instanceof Error) waiting?.reject(next);
    else waiting?.resolve(next);
  }
}

async function withSocket(work: (path: string) => Promise<void>, handle = handler): Promise<void> {
  const directory = await Deno.makeTempDir();
  await Deno.chmod(directory, 0o700);
  try {
    const path = `${directory}/ngrokd.sock`;
    await using _server = new ControlServer(await listenLocal(path), handle);
    await work(path);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function readAll(stream: ByteStream): Promise<string> {
  const buffer = new Uint8Array(1024);
  let text = "";
  try {
    for (let n = await stream.read(buffer); n !== null; n = await stream.read(buffer)) {
      text += new TextDecoder().decode(buffer.subarray(0, n));
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.ConnectionReset)) throw error;
  }
  return text;
}

async function ask(path: string, request: string | Uint8Array): Promise<string> {
  const stream = await connectLocal(path);
  const bytes = typeof request === "string" ? new TextEncoder().encode(request) : request;
  try {
    await writeAll(stream, bytes).catch((error) => {
      // The server closes after it has read enough, and its answer is still readable.
      if (!isConnectionGone(error)) throw error;
    });
    return await readAll(stream);
  } finally {
    stream.close();
  }
}

Deno.test("ControlServer answers one request per connection with one line, then closes", async () => {
  await withSocket(async (path) => {
    assert.equal(await ask(path, '{"command":"echo","args":["a"]}\n'), '{"success":true,"data":["a"]}\n');
    assert.equal(await ask(path, '{"command":"echo"}'), '{"success":true,"data":[]}\n');
    assert.equal(await ask(path, '{"command":"nothing"}'), '{"success":true}\n');
  });
});

Deno.test("ControlServer answers with the error of the handler and continues (F23)", async () => {
  await withSocket(async (path) => {
    assert.deepEqual(JSON.parse(await ask(path, '{"command":"fail"}')), {
      success: false,
      error: "Cannot bind x: in use",
      hint: "Stop it",
    });
    assert.deepEqual(JSON.parse(await ask(path, '{"command":"lst"}')), {
      success: false,
      error: "unknown command: lst",
    });
    assert.match(
      await ask(path, '{"command":"loop"}'),
      /"success":false,"error":"failed to encode response: /,
    );
    assert.match(await ask(path, "rubbish"), /"success":false,"error":"failed to decode command: /);
    assert.match(await ask(path, '{"command":"echo"}'), /"success":true/);
  });
});

// 70 half-open requests kept a command waiting until they were closed, after 4.5 s.
Deno.test("ControlServer keeps 64 of 500 idle connections and answers beside them (F73) (R72)", async () => {
  await withSocket(async (path) => {
    const excess = 500 - MAX_CONNECTIONS;
    const idle: ByteStream[] = [];
    const ended: number[] = [];
    const reads: Promise<void>[] = [];
    const full = Promise.withResolvers<void>();
    for (let n = 0; n < 500; n++) {
      const stream = await connectLocal(path);
      idle.push(stream);
      reads.push(
        readAll(stream).then(() => {
          ended.push(n);
          if (ended.length === excess) full.resolve();
        }, () => {}),
      );
    }
    await full.promise;
    assert.deepEqual(ended.toSorted((a, b) => a - b), Array.from({ length: excess }, (_, n) => n));
    assert.match(await ask(path, '{"command":"echo"}'), /"success":true/);
    for (const stream of idle) stream.close();
    await Promise.all(reads);
  });
});

Deno.test("ControlServer ends no running command for a new connection (R72)", async () => {
  const { promise, resolve } = Promise.withResolvers<string>();
  await withSocket(async (path) => {
    const running = Array.from({ length: MAX_CONNECTIONS }, () => ask(path, '{"command":"wait"}'));
    while (await ask(path, '{"command":"echo"}').catch(() => "") !== "");
    resolve("done");
    assert.deepEqual(new Set(await Promise.all(running)), new Set(['{"success":true,"data":"done"}\n']));
  }, {
    handle: (command, args, signal) => command === "wait" ? promise : handler.handle(command, args, signal),
  });
});

Deno.test("ControlServer refuses 1 MiB without an end, binary data and unknown commands (F73)", async () => {
  const undecodable = /^\{"success":false,"error":"failed to decode command: /;
  const binary = Uint8Array.from({ length: 4096 }, (_, index) => index * 37 & 255);
  const cases: [bytes: string | Uint8Array, answer: RegExp][] = [
    [`{"command":"${"a".repeat(2 ** 20)}`, /it is larger than 65536 bytes/],
    ["a".repeat(2 ** 20), undecodable],
    [`{"a":${"[".repeat(2 ** 20)}`, undecodable],
    [" ".repeat(2 ** 20), undecodable],
    [binary, undecodable],
    [new Uint8Array(4096), undecodable],
    [new Uint8Array([...new TextEncoder().encode('{"command":"'), 0xff, 0xfe, 0x22, 0x7d]), undecodable],
    ['{"command":"reboot"}', /"error":"unknown command: reboot"/],
    ["{}", /"error":"unknown command: "/],
  ];
  await withSocket(async (path) => {
    for (const [bytes, answer] of cases) {
      assert.match(await ask(path, bytes), answer);
      assert.equal(await ask(path, '{"command":"echo"}'), '{"success":true,"data":[]}\n');
    }
  });
});

Deno.test("ControlServer answers and closes within 5 s after half a request (F73)", async () => {
  const clock = FakeTimers.install({ toFake: ["setTimeout", "clearTimeout"] });
  try {
    const listener = new FakeListener();
    await using _server = new ControlServer(listener, handler);
    const half = new FakeStream(['{"command":'], { silent: true });
    listener.push(half);
    await clock.tickAsync(REQUEST_TIMEOUT_MS - 1);
    assert.equal(half.written, "");
    await clock.tickAsync(1);
    await half.closed.promise;
    assert.ok(REQUEST_TIMEOUT_MS <= 5000);
    assert.match(half.written, /failed to decode command: no complete request within 4.5 s/);
  } finally {
    clock.uninstall();
  }
});

Deno.test("ControlServer closes the connection of a client that does not read its answer", async () => {
  const clock = FakeTimers.install({ toFake: ["setTimeout", "clearTimeout"] });
  try {
    const listener = new FakeListener();
    await using _server = new ControlServer(listener, handler);
    const deaf = new FakeStream(['{"command":"echo"}']);
    const writing = Promise.withResolvers<void>();
    deaf.write = () => {
      writing.resolve();
      return new Promise(() => {});
    };
    listener.push(deaf);
    await writing.promise;
    await clock.tickAsync(ANSWER_TIMEOUT_MS);
    await deaf.closed.promise;
  } finally {
    clock.uninstall();
  }
});

Deno.test("ControlServer aborts a command that takes more than 60 s", async () => {
  const clock = FakeTimers.install({ toFake: ["setTimeout", "clearTimeout"] });
  try {
    const listener = new FakeListener();
    const started = Promise.withResolvers<AbortSignal>();
    await using _server = new ControlServer(listener, {
      handle: (_command, _args, signal) => {
        started.resolve(signal);
        return new Promise(() => {});
      },
    });
    const stream = new FakeStream(['{"command":"slow"}']);
    listener.push(stream);
    const signal = await started.promise;
    await clock.tickAsync(COMMAND_TIMEOUT_MS);
    await stream.closed.promise;
    assert.match(stream.written, /Cannot finish slow: no result within 60 s/);
    assert.ok(signal.aborted);
  } finally {
    clock.uninstall();
  }
});

Deno.test("ControlServer backs off while descriptors run out (F63)", async () => {
  const clock = FakeTimers.install({ toFake: ["setTimeout", "clearTimeout"] });
  try {
    const listener = new FakeListener();
    await using _server = new ControlServer(listener, handler);
    for (let n = 0; n < 20; n++) listener.push(new Error("Too many open files (os error 24)"));
    await clock.tickAsync(2_000);
    assert.ok(listener.accepts < 12, "it backs off");
    const stream = new FakeStream(['{"command":"echo"}']);
    listener.push(stream);
    await clock.tickAsync(20_000);
    await stream.closed.promise;
    assert.match(stream.written, /"success":true/);
  } finally {
    clock.uninstall();
  }
});

Deno.test("ControlServer tells waiting clients about the shutdown and frees the path", async () => {
  const directory = await Deno.makeTempDir();
  await Deno.chmod(directory, 0o700);
  const path = `${directory}/s`;
  const started = Promise.withResolvers<AbortSignal>();
  const server = new ControlServer(await listenLocal(path), {
    handle: (_command, _args, signal) => {
      started.resolve(signal);
      return new Promise(() => {});
    },
  });
  const answer = ask(path, '{"command":"slow"}');
  const signal = await started.promise;
  await server[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  assert.ok(signal.aborted);
  assert.deepEqual(JSON.parse(await answer), { success: false, error: "ngrokd is shutting down" });
  await assert.rejects(connectLocal(path), Deno.errors.NotFound);
  await Deno.remove(directory, { recursive: true });
});

Deno.test("ControlServer continues after a client that disconnects at once", async () => {
  await withSocket(async (path) => {
    (await connectLocal(path)).close();
    const rude = await connectLocal(path);
    await rude.write(new TextEncoder().encode('{"command":"echo"}'));
    rude.close();
    assert.match(await ask(path, '{"command":"echo"}'), /"success":true/);
  });
});

Deno.test("ControlServer logs one warning while descriptors run out again and again", async () => {
  const clock = FakeTimers.install({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  const records: LogRecord[] = [];
  await configure({
    sinks: { memory: (record) => void records.push(record) },
    loggers: [{ category: "ngrokd", sinks: ["memory"] }, { category: ["logtape", "meta"], sinks: [] }],
  });
  try {
    const listener = new FakeListener();
    await using _server = new ControlServer(listener, handler);
    for (let n = 0; n < 20; n++) {
      listener.push(new Error("Too many open files (os error 24)"));
      listener.push(new FakeStream(['{"command":"echo"}']));
    }
    await clock.tickAsync(5_000);
    assert.ok(listener.accepts > 40, "all were accepted");
    assert.equal(records.length, 1);
  } finally {
    clock.uninstall();
    await reset();
  }
});
