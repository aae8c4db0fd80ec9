import { withDeadline } from "../src/system/clock.ts";
import { readLines } from "../sim/read_lines.ts";

const ROOT = new URL("..", import.meta.url).pathname;
const ANSWER_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 2_000;

/** A program that runs until its stack is disposed. */
export class Child implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #stderr: Promise<string>;
  readonly #name: string;
  #ended = false;

  /**
   * @param stack Takes the child.
   * @param argv The program, by its absolute path, and its arguments.
   */
  constructor(stack: AsyncDisposableStack, argv: readonly string[]) {
    const [command, ...args] = argv;
    this.#name = argv.join(" ");
    if (stack.disposed) throw new Error(`Cannot start ${this.#name}: the bench is ending`);
    // It has its own process group, so that Ctrl-C ends it through this process only.
    const pipes = { stdin: "piped", stdout: "piped", stderr: "piped" } as const;
    this.#process = new Deno.Command(command!, { args, detached: true, ...pipes }).spawn();
    this.#stderr = new Response(this.#process.stderr).text();
    this.#process.status.then(() => this.#ended = true);
    stack.use(this);
  }

  get pid(): number {
    return this.#process.pid;
  }

  get stdin(): WritableStream<Uint8Array<ArrayBuffer>> {
    return this.#process.stdin;
  }

  get stdout(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#process.stdout;
  }

  /** @throws {Error} If the program has ended; the message holds its standard error. */
  async assertRunning(): Promise<void> {
    if (this.#ended) throw await this.failure();
  }

  /** Waits until the program ends, and returns an error with its standard error. */
  async failure(): Promise<Error> {
    return new Error(`Cannot go on: this program has ended: ${this.#name}\n${await this.#stderr}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const timer = setTimeout(() => this.#kill("SIGKILL"), STOP_LIMIT_MS);
    this.#kill("SIGTERM");
    await this.#process.status;
    clearTimeout(timer);
    await this.#stderr;
    if (!this.stdout.locked) await this.stdout.cancel();
    if (!this.stdin.locked) await this.stdin.abort().catch(() => {});
  }

  #kill(signal: Deno.Signal): void {
    try {
      this.#process.kill(signal);
    } catch {
      // It has already ended.
    }
  }
}

/** A script of this folder in its own process, which answers each JSON line with one. */
export class Script {
  readonly #child: Child;
  readonly #lines: AsyncGenerator<string>;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;

  /** @param stack Takes the process. */
  constructor(stack: AsyncDisposableStack, file: string) {
    const argv = ["run", "--no-prompt", "--quiet", "--allow-net=127.0.0.0/8", `${ROOT}bench/${file}`];
    this.#child = new Child(stack, [Deno.execPath(), ...argv]);
    this.#lines = readLines(this.#child.stdout);
    this.#writer = this.#child.stdin.getWriter();
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** @throws {Error} With the script's message, or if it does not answer in a minute. */
  async ask(question: unknown): Promise<unknown> {
    await this.#writer.write(new TextEncoder().encode(`${JSON.stringify(question)}\n`));
    const { value } = await withDeadline(this.#lines.next(), {
      ms: ANSWER_LIMIT_MS,
      onTimeout: () =>
        new Error(`Cannot go on: no answer in ${ANSWER_LIMIT_MS / 1000} s: ${JSON.stringify(question)}`),
    });
    if (value === undefined) throw await this.#child.failure();
    const reply = JSON.parse(value) as { data?: unknown; error?: string };
    if (reply.error !== undefined) throw new Error(reply.error);
    return reply.data;
  }
}
