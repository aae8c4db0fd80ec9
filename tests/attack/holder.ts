import assert from "node:assert/strict";
import { readLines } from "../../sim/read_lines.ts";
import { Stage } from "../../sim/stage.ts";
import { runProgram } from "../root/commands.ts";

const NOBODY = "65534";
const SCRIPT = new URL("holder.py", import.meta.url).pathname;

/** A program of an ordinary user that listens on a port and tells what clients send to it. */
export class Holder implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #lines: string[] = [];
  readonly #reading: Promise<void>;
  readonly #ready = Promise.withResolvers<void>();

  constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.#reading = this.#read();
  }

  /** Starts the program. @throws {Error} If it cannot listen. */
  static async open(address: string, port: number): Promise<Holder> {
    const source = await Deno.readTextFile(SCRIPT);
    const user = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"];
    const child = new Deno.Command("setpriv", {
      args: [...user, "/usr/bin/python3", "-c", source, address, String(port)],
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const holder = new Holder(child);
    await holder.#ready.promise;
    return holder;
  }

  /** All that clients have sent, one line each. */
  get received(): string {
    return this.#lines.join("\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.#child.status;
    await this.#reading;
  }

  async #read(): Promise<void> {
    for await (const line of readLines(this.#child.stdout)) {
      if (line === "listening") this.#ready.resolve();
      else this.#lines.push(line);
    }
    this.#ready.reject(new Error("the program does not listen"));
  }
}

/** Virtual mode on the default subnet. */
export const NET = "net: {listen_interface: virtual}";

/** A daemon on its default paths; its endpoint tcp://pg.myapp:5432 echoes. */
export async function openStage(sections = NET): Promise<Stage> {
  const stage = await Stage.open({ shipped: true, pollSeconds: 1, sections });
  stage.cloud.addEndpoint({ url: "tcp://pg.myapp:5432", backend: "echo" });
  return stage;
}

/** The first IPv4 address that programs get for the name; `""` if it does not resolve. */
export async function resolved(name = "pg.myapp"): Promise<string> {
  return /^\S*/.exec((await runProgram(["getent", "ahostsv4", name])).stdout)![0];
}

/** The answer to a client that connects by name: its own words, or those of a holder. */
export async function talk(): Promise<string> {
  const { stdout } = await runProgram(["nc", "-N", "-w", "5", "pg.myapp", "5432"], "password\n");
  return stdout;
}

/** Demands that the name leads to ngrokd, and that the other program was told nothing. */
export async function assertLeadsHome(stage: Stage, holder: Holder): Promise<void> {
  await stage.until("the name resolves", async () => await resolved() !== "");
  assert.equal(await talk(), "password\n");
  assert.equal(holder.received, "");
}
