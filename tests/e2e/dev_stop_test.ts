import assert from "node:assert/strict";

const ROOT = new URL("../..", import.meta.url).pathname;

/** `deno task dev` with its own directory for temporary files, which shows what is left. */
class Dev implements AsyncDisposable {
  readonly directory = Deno.makeTempDirSync({ prefix: "dev-stop-" });
  readonly #child: Deno.ChildProcess;
  readonly #output: Promise<void[]>;
  text = "";

  constructor(...options: readonly string[]) {
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-P=dev", "--no-prompt", "--quiet", "sim/dev.ts", ...options],
      cwd: ROOT,
      env: { TMPDIR: this.directory },
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#output = Promise.all(
      [this.#child.stdout, this.#child.stderr].map((stream) => this.#read(stream)),
    );
  }

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
    const [, hostname, port] = /telnet:\/\/([0-9.]+):([0-9]+)/.exec(this.text)!;
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
  await using dev = new Dev("--verbose");
  using client = await dev.dialTcp();
  await client.read(new Uint8Array(64));
  dev.kill("SIGINT");
  await dev.until(() => dev.text.includes("Waiting for running connections"));
  assert.match(dev.text, /Received SIGINT, shutting down/);
  dev.kill("SIGINT");
  const before = Date.now();
  assert.equal(await dev.ended(), 0);
  assert.ok(Date.now() - before < 10_000, "it does not wait 30 s for the connection");
  assert.ok(!dev.text.includes("ended by itself"), dev.text);
  assert.deepEqual(dev.entries, []);
});

Deno.test("dev prints no log line and no wide line, and its commands run", async () => {
  await using dev = new Dev();
  await dev.until(() => dev.text.includes("Press Ctrl-C"));
  const commands = dev.text.replaceAll("\\\n", "").match(/^ {2}curl .*$/gm)!;
  assert.equal(commands.length, 6);
  await Promise.all(commands.map(async (command) => {
    const { success, stdout } = await new Deno.Command("/bin/sh", {
      args: ["-c", `echo hello | timeout 5 ${command.replace("curl", "curl -sS")}`],
    }).output();
    const text = new TextDecoder().decode(stdout);
    assert.match(text, /endpoint_id|220 ep_|ERR_NGROK_/, command);
    assert.ok(success || command.includes("telnet:"), command);
  }));
  dev.kill("SIGINT");
  assert.equal(await dev.ended(), 0);
  assert.match(dev.text, /^Received SIGINT, stopping\./m);
  for (const line of dev.text.replaceAll(dev.directory, "/tmp").split("\n")) {
    assert.ok(line.length <= 80, line);
    assert.doesNotMatch(line, /^\d{4}-\d\d-\d\dT/);
  }
});

Deno.test("dev --verbose logs each connection that it carries", async () => {
  await using dev = new Dev("--verbose");
  using client = await dev.dialTcp();
  await client.closeWrite();
  await new Response(client.readable).text();
  await dev.until(() => /Connection from .* on .*:5432 ended: /.test(dev.text));
  dev.kill("SIGTERM");
});
