import assert from "node:assert/strict";
import { configureLog } from "../../src/log/configure.ts";
import { LogOutput } from "../../src/system/log_output.ts";

/** A stream that accepts bytes only while it is read. */
class Pipe {
  text = "";
  #reading = Promise.withResolvers<void>();

  read(): void {
    this.#reading.resolve();
  }

  async write(bytes: Uint8Array): Promise<number> {
    await this.#reading.promise;
    this.text += new TextDecoder().decode(bytes);
    return bytes.length;
  }
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

Deno.test("LogOutput keeps the order of lines and writes them all", async () => {
  const pipe = new Pipe();
  pipe.read();
  const output = new LogOutput(pipe);
  for (let line = 0; line < 100; line++) output.write(`${line}\n`);
  await output.flush(1000);
  assert.equal(pipe.text, Array.from({ length: 100 }, (_, line) => `${line}\n`).join(""));
});

Deno.test("LogOutput drops lines beyond its limit and reports their number once it is read", async () => {
  const pipe = new Pipe();
  const output = new LogOutput(pipe, { maxBytes: 100 });
  configureLog({ level: "error", format: "text", write: (line) => output.write(line) });
  for (let line = 0; line < 50; line++) output.write("x".repeat(9) + "\n");
  await output.flush(1);
  assert.equal(pipe.text, "");
  pipe.read();
  await turns();
  await output.flush(1000);
  assert.equal(pipe.text.match(/x{9}\n/g)!.length, 10);
  assert.match(pipe.text, /ERROR system: Dropped 40 log lines, because nobody read the log/);
});

// The notice did not fit into the full queue, was dropped itself, and the count was lost.
Deno.test("LogOutput reports the number of dropped lines although its queue is full again", async () => {
  const pipe = new Pipe();
  const output = new LogOutput(pipe, { maxBytes: 100 });
  configureLog({ level: "info", format: "text", write: (line) => output.write(line) });
  output.write("first\n");
  await output.flush(1);
  for (let line = 0; line < 50; line++) output.write("x".repeat(9) + "\n");
  pipe.read();
  await output.flush(1000);
  assert.match(pipe.text, /Dropped 41 log lines/);
});

Deno.test("LogOutput goes on after a write that fails", async () => {
  const written: string[] = [];
  let fails = true;
  const output = new LogOutput({
    write(bytes) {
      if (fails) return Promise.reject(new Error("disk is full"));
      written.push(new TextDecoder().decode(bytes));
      return Promise.resolve(bytes.length);
    },
  });
  output.write("lost\n");
  await output.flush(1000);
  fails = false;
  output.write("kept\n");
  await output.flush(1000);
  assert.deepEqual(written, ["kept\n"]);
});
