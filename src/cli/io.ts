import type { ByteStream } from "../system/byte_stream.ts";
import { operatingSystem, readEnvironment } from "../system/environment.ts";
import { statTarget } from "../system/files.ts";
import { connectLocal } from "../system/local_socket.ts";
import { sendHttp } from "../system/http.ts";
import { runInteractive } from "../system/run.ts";
import { isInteractive, readKeys, readStandardInput, writeErr, writeOut } from "../system/terminal.ts";
import type { ConfigCheck } from "./check_config.ts";
import { SecretLine } from "./secret_line.ts";

/** Everything that `ngrokctl` asks of its machine. */
export interface CtlIo {
  writeOut(text: string): void;
  writeErr(text: string): void;
  /** Returns true if standard input is a terminal. */
  isInteractive(): boolean;
  /** Reads all of standard input. @throws {RangeError} If it is larger. */
  readStdin(maxBytes: number): Promise<string>;
  /** Reads a line from the terminal without echo; undefined if the user presses Ctrl-C. */
  promptSecret(prompt: string): Promise<string | undefined>;
  readEnvironment(name: string): string | undefined;
  operatingSystem(): string;
  connect(path: string): Promise<ByteStream>;
  readonly sendHttp: typeof sendHttp;
  /** Runs a program on this terminal and returns its exit code. */
  runInteractive(argv: readonly [string, ...string[]]): Promise<number>;
  /**
   * Returns true if the path exists.
   *
   * @throws {FileError} If this process may not read the directory.
   */
  exists(path: string): Promise<boolean>;
  /** Checks a configuration file as the daemon does. @throws {FileError} If it cannot be read. */
  checkConfig(path: string): Promise<ConfigCheck>;
}

/** Returns the real operations of this machine. */
export function realIo(): CtlIo {
  return {
    writeOut,
    writeErr,
    isInteractive,
    readStdin: readStandardInput,
    promptSecret,
    readEnvironment,
    operatingSystem,
    connect: connectLocal,
    sendHttp,
    runInteractive,
    exists: async (path) => await statTarget(path) !== undefined,
    async checkConfig(path) {
      // Imported on demand: the YAML parser loads slowly, and no other command needs it.
      const { checkConfig } = await import("./check_config.ts");
      return await checkConfig(path);
    },
  };
}

async function promptSecret(prompt: string): Promise<string | undefined> {
  const line = new SecretLine();
  await readKeys(prompt, (bytes) => line.feed(bytes));
  writeErr("\n");
  return line.text;
}
