import { freePort } from "../../sim/daemon_harness.ts";
import { waitUntil } from "../../sim/wait_until.ts";
import { readLines } from "../../sim/read_lines.ts";

/** A real server behind an endpoint, as a process on a free port of 127.0.0.1. */
export class RealServer implements AsyncDisposable {
  readonly port: number;
  /** The output of the server, by line. */
  readonly log: string[] = [];
  readonly #child: Deno.ChildProcess;
  readonly #reading: Promise<unknown>;

  constructor(port: number, child: Deno.ChildProcess) {
    this.port = port;
    this.#child = child;
    this.#reading = Promise.all([this.#read(child.stdout), this.#read(child.stderr)]);
  }

  /**
   * Starts the program that `command` returns for a free port, and waits until it accepts
   * connections.
   */
  static async start(command: (port: number) => readonly string[]): Promise<RealServer> {
    const port = freePort();
    const [program, ...args] = command(port);
    const child = new Deno.Command(program!, { args, stdin: "null", stdout: "piped", stderr: "piped" })
      .spawn();
    const server = new RealServer(port, child);
    try {
      await waitUntil(`${program} accepts connections`, () => accepts(port), {
        timeoutMs: 30_000,
        log: server.log,
      });
      return server;
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The backend of an endpoint in front of this server. */
  get backend(): { readonly forward: string } {
    return { forward: `127.0.0.1:${this.port}` };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
    await this.#child.status;
    await this.#reading;
  }

  async #read(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    for await (const line of readLines(stream)) this.log.push(line);
  }
}

async function accepts(port: number): Promise<boolean> {
  try {
    (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    return true;
  } catch {
    return false;
  }
}
