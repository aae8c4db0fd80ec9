import assert from "node:assert/strict";

const ROOT = new URL("../..", import.meta.url).pathname;

/** `deno task dev` with its own directory for temporary files, which shows what is left. */
class Dev implements AsyncDisposable {
  readonly directory = Deno.makeTempDirSync({ prefix: "dev-stop-" });
  readonly #child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-P=dev", "--no-prompt", "--quiet", "sim/dev.ts"],
    cwd: ROOT,
    env: { TMPDIR: this.directory },
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  readonly #output = Promise.all(
    [this.#child.stdout, this.#child.stderr].map((stream) => this.#read(stream)),
  );
  text = "";

  /** Evaluates `done` every 20 ms until it is true. */
  async until(done: () => boolean): Promise<void> {
    const end = Date.now() + 20_000;
    while (!done()) {
      assert.ok(Date.now() < end, this.text);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Connects to the tcp endpoint by the command that dev prints. */
  async dialTcp(): Promise<Deno.TcpConn> {
    await this.until(() => this.text.includes("Press Ctrl-C"));
    const [, hostname, port] = /nc ([0-9.]+) ([0-9]+)/.exec(this.text)!;
    return await Deno.connect({ hostname: hostname!, port: Number(port) });
  }

  get entries(): string[] {
    return [...Deno.readDirSync(this.directory)].map((entry) => entry.name);
  }

  /** The processes that have a path of this directory on their command line. */
  get processes(): string {
    return new TextDecoder().decode(
      new Deno.Command("pgrep", { args: ["-af", `^[^ ]*deno .*${this.directory}`] }).outputSync().stdout,
    );
  }

  kill(signal: Deno.Signal): void {
    try {
      this.#child.kill(signal);
    } catch {
      // The process has ended.
    }
  }

  async ended(): Promise<number> {
    const { code } = await this.#child.status;
    await this.#output;
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill("SIGTERM");
    await this.ended();
    await Deno.remove(this.directory, { recursive: true });
  }

  async #read(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    for await (const chunk of stream.pipeThrough(new TextDecoderStream())) this.text += chunk;
  }
}

for (const signal of ["SIGINT", "SIGHUP"] as const) {
  Deno.test(`dev leaves no process and no directory if it gets ${signal} while it starts`, async () => {
    await using dev = new Dev();
    await dev.until(() => dev.processes !== "");
    dev.kill(signal);
    assert.equal(await dev.ended(), 0);
    assert.deepEqual(dev.entries, []);
    await dev.until(() => dev.processes === "");
  });
}

Deno.test("a second Ctrl-C ends dev at once although a connection is open, and reports no failure", async () => {
  await using dev = new Dev();
  using client = await dev.dialTcp();
  await client.read(new Uint8Array(64));
  dev.kill("SIGINT");
  await dev.until(() => dev.text.includes("Waiting for running connections"));
  dev.kill("SIGINT");
  const before = Date.now();
  assert.equal(await dev.ended(), 0);
  assert.ok(Date.now() - before < 10_000, "it does not wait 30 s for the connection");
  assert.ok(!dev.text.includes("ended by itself"), dev.text);
  assert.deepEqual(dev.entries, []);
});

Deno.test("dev logs each connection that it carries", async () => {
  await using dev = new Dev();
  using client = await dev.dialTcp();
  await client.closeWrite();
  await new Response(client.readable).text();
  await dev.until(() => /Connection from .* on .*:5432 ended: /.test(dev.text));
  dev.kill("SIGTERM");
});
