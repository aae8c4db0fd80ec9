import { getLogger } from "@logtape/logtape";
import { verifyKey } from "../../cloud/verify_key.ts";
import { withConfig } from "../../config/paths.ts";
import { saveApiKey } from "../../config/save.ts";
import { RequestError, unknownCommand } from "../../control/protocol.ts";
import { Mutex } from "../../lib/mutex.ts";
import { VERSION } from "../../lib/version.ts";
import { hintOf, messageOf } from "../../model/errors.ts";
import type { System } from "../../system/system.ts";
import type { Daemon } from "../daemon.ts";
import { rebind } from "./rebind.ts";
import { healthReport, listReport, statusReport } from "./status.ts";
import { forgetTrust, saveTrust, showTrust } from "./trust.ts";

const log = getLogger(["ngrokd", "daemon"]);

/**
 * Milliseconds that a command waits for its turn in the request budget; ngrokctl waits somewhat
 * longer.
 */
const MAX_WAIT_MS = 10_000;

/** Returns the commands of this daemon. */
export function daemonCommands(daemon: Daemon, options: CommandOptions): RunCommand {
  // Two commands at once would read the same file, and one key would be lost.
  const keyMutex = new Mutex();
  return async (command, args, signal) => {
    switch (command) {
      case "status":
        return statusReport(daemon);
      case "list":
        return listReport(daemon);
      case "health":
        return healthReport(daemon);
      case "version":
        return VERSION;
      case "set-api-key":
        return await keyMutex.run(() => setApiKey(args[0]?.trim() ?? "", daemon, { ...options, signal }));
      case "refresh-cert":
        return await refreshCertificate(args.includes("--force"), daemon, signal);
      case "rebind":
        return await rebind(daemon);
      case "trust":
        if (args[0] === "show") return await showTrust(daemon);
        if (args[0] === "save") return await saveTrust(args[1] ?? "", daemon);
        if (args[0] === "forget") return await forgetTrust(daemon);
        throw unknownCommand(`trust ${args[0] ?? ""}`);
      default:
        throw unknownCommand(command);
    }
  };
}

/**
 * Runs one command of the control socket (docs/compatibility.md 4.3). An error that it throws is
 * the answer's error.
 */
export type RunCommand = (command: string, args: readonly string[], signal: AbortSignal) => Promise<unknown>;

/** Options of {@linkcode daemonCommands}. */
export interface CommandOptions {
  readonly system: System;
  /** Reads the configuration again and applies it. */
  readonly reload: () => Promise<void>;
}

/**
 * Saves the key, then registers or polls with it at once. A key that the API refuses never replaces
 * one that works.
 */
async function setApiKey(
  key: string,
  daemon: Daemon,
  options: CommandOptions & { signal: AbortSignal },
): Promise<string> {
  const { system, reload, signal } = options;
  if (key === "") throw new RequestError("API key required", { hint: "Run: ngrokctl set-api-key" });
  signal.throwIfAborted();
  // Unless the API has refused the key in use, that key may be good.
  const mayWork = daemon.live.apiKey.key !== "" && daemon.loop.status.state !== "key_refused";
  if (mayWork) await verifyKey(daemon.clientWith(() => key), { signal, maxWaitMs: MAX_WAIT_MS });
  const { files } = system;
  try {
    await saveApiKey(await files.realPath(daemon.live.path), key, {
      readText: files.readText,
      writeAtomic: files.writeFileAtomic,
    });
  } catch (error) {
    // deno-lint-ignore ngrokd/error-message -- scripts rely on this text (docs/compatibility.md 4.3)
    throw new RequestError(`failed to save API key to config: ${messageOf(error)}`, {
      cause: error,
      hint: hintOf(error),
    });
  }
  log.info("Saved a new API key");
  await reload();
  if (daemon.live.apiKey.key !== key) {
    const { problems, path } = daemon.live.report;
    if (problems.length === 0) throw new RequestError("The key is saved, and ngrokd is shutting down");
    throw new RequestError(`The key is saved, but not in use: ${problems.join("; ")}`, {
      hint: `Correct ${path}: ${withConfig("ngrokctl config edit", path)}`,
    });
  }
  if (!await daemon.loop.poll(signal)) {
    // The rate limit delays the poll, and the loop's status is still about the previous key.
    await verifyKey(daemon.clientWith(() => key), { signal, maxWaitMs: MAX_WAIT_MS }).catch((error) => {
      throw new RequestError(`The key is saved, but: ${messageOf(error)}`, {
        cause: error,
        hint: hintOf(error),
      });
    });
    return "API key set successfully";
  }
  const { state, error, hint } = daemon.loop.status;
  if (state === "ok") return "API key set successfully";
  throw new RequestError(`The key is saved, but: ${error ?? state}`, { hint });
}

async function refreshCertificate(force: boolean, daemon: Daemon, signal: AbortSignal): Promise<string> {
  const { renewed, certificate, dueAt } = await daemon.renewals.renew({
    force,
    signal,
    maxWaitMs: MAX_WAIT_MS,
  }).finally(() => {
    // If the cloud answered that the operator is gone, the next poll registers another one.
    if (daemon.account.certificate !== undefined && daemon.account.operatorId === undefined) {
      daemon.loop.pollNow();
    }
  });
  const until = new Date(certificate.notAfter).toISOString();
  if (renewed) return `Certificate renewed, valid until ${until}`;
  return `Certificate not due until ${
    new Date(dueAt).toISOString()
  }, valid until ${until}; renew it now with --force`;
}
