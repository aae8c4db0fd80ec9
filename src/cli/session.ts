import { defaultSocketPath, effectiveSocketPath } from "../config/paths.ts";
import { callDaemon } from "../control/client.ts";
import type { CtlIo } from "./io.ts";
import { safeJson } from "./safe_text.ts";

const READ_TIMEOUT_MS = 10_000;

/** The options that every command takes. */
export interface GlobalOptions {
  readonly json?: true | undefined;
  readonly socket?: string | undefined;
}

/** What a command works with: the daemon to ask and the place to print. */
export interface Session {
  readonly io: CtlIo;
  readonly json: boolean;
  /** Sends a command to the daemon. @throws {DaemonError} */
  call(command: string, options?: CallOptions): Promise<unknown>;
  /** Prints `text`, or with `--json` the value instead. */
  print(value: object, text: () => string): void;
}

/** What goes with a command. */
export interface CallOptions {
  readonly args?: readonly string[];
  /** @default {10000} */
  readonly timeoutMs?: number;
}

/** Makes the session of one command. */
export function openSession(io: CtlIo, options: GlobalOptions): Session {
  const json = options.json ?? false;
  return {
    io,
    json,
    call(command, { args = [], timeoutMs = READ_TIMEOUT_MS } = {}) {
      const path = socketPathOf(io, options.socket);
      return callDaemon({ path, request: { command, args } }, { connect: io.connect, timeoutMs });
    },
    print(value, text) {
      io.writeOut(json ? `${safeJson(value)}\n` : text());
    },
  };
}

/** The daemon's socket: `--socket`, else `NGROKD_SOCKET`, else the default; the Go daemon's path means the default. */
export function socketPathOf(
  io: Pick<CtlIo, "readEnvironment" | "operatingSystem">,
  option: string | undefined,
): string {
  const os = io.operatingSystem();
  return effectiveSocketPath(option || io.readEnvironment("NGROKD_SOCKET") || defaultSocketPath(os), os);
}
