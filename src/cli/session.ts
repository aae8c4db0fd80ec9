import { defaultSocketPath, effectiveSocketPath, ownerSocketPath } from "../config/paths.ts";
import { callDaemon } from "../control/client.ts";
import { PROGRAMS_VARIABLE, withPrograms } from "../lib/own_commands.ts";
import type { CtlIo } from "./io.ts";
import { safeJson } from "./safe_json.ts";

const TIMEOUT_MS = 10_000;

/** The environment of one command: the daemon to ask, and where the output goes. */
export interface Session {
  readonly io: CtlIo;
  readonly json: boolean;
  /**
   * Sends a command to the daemon and returns the data of its response. Root and the daemon's user
   * have a socket of their own.
   *
   * @throws {DaemonError}
   */
  call(command: string, options?: DaemonCallOptions): Promise<unknown>;
  /** Prints `text`, or with `--json` the value instead. */
  print(value: object, text: () => string): void;
}

/** Makes the session of one command. */
export function openSession(io: CtlIo, options: GlobalOptions): Session {
  const json = options.json ?? false;
  return {
    io,
    json,
    call(command, { args = [], timeoutMs = TIMEOUT_MS } = {}) {
      const path = socketPath(io, options.socket);
      const connect = (path: string) => io.connect(ownerSocketPath(path)).catch(() => io.connect(path));
      return callDaemon({ path, request: { command, args } }, { connect, timeoutMs });
    },
    print(value, text) {
      const directory = io.readEnvironment(PROGRAMS_VARIABLE);
      io.writeOut(withPrograms(json ? `${safeJson(value)}\n` : text(), directory));
    },
  };
}

/** The options that every command takes. */
export interface GlobalOptions {
  readonly json?: true | undefined;
  readonly socket?: string | undefined;
}

/** The arguments of a command, and the time that it may take. */
export interface DaemonCallOptions {
  readonly args?: readonly string[];
  /** @default {10000} */
  readonly timeoutMs?: number;
}

/**
 * Returns `--socket`, else `NGROKD_SOCKET`, else the default, which the Go daemon's path means too.
 */
function socketPath(io: CtlIo, option: string | undefined): string {
  const os = io.operatingSystem();
  return effectiveSocketPath(option || io.readEnvironment("NGROKD_SOCKET") || defaultSocketPath(os), os);
}
