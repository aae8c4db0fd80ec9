import { unknownCommand } from "../../src/control/protocol.ts";
import { ControlServer } from "../../src/control/server.ts";
import { listenLocal } from "../../src/system/local_socket.ts";

/** The answers of a fake daemon by command: a value or a function of the arguments. */
export type Answers = Readonly<Record<string, unknown>>;

/** A control server with these answers, on a socket in a directory of its own. */
export interface FakeDaemon extends AsyncDisposable {
  readonly path: string;
  readonly asked: readonly { command: string; args: readonly string[] }[];
}

/** Starts a fake daemon. */
export async function startFakeDaemon(answers: Answers): Promise<FakeDaemon> {
  const directory = await Deno.makeTempDir();
  await Deno.chmod(directory, 0o700);
  const path = `${directory}/ngrokd.sock`;
  const asked: { command: string; args: readonly string[] }[] = [];
  const server = new ControlServer(await listenLocal(path), {
    async handle(command, args) {
      asked.push({ command, args });
      if (!Object.hasOwn(answers, command)) throw unknownCommand(command);
      const answer = answers[command];
      return await (typeof answer === "function" ? answer(args) : answer);
    },
  });
  return {
    path,
    asked,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await Deno.remove(directory, { recursive: true });
    },
  };
}
