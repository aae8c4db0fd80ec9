import { getLogger } from "@logtape/logtape";
import { RegistrationMarker } from "../account/registration_marker.ts";
import { ApiClient } from "../cloud/client.ts";
import { findOperators, listOperatorIds } from "../cloud/list_operators.ts";
import { deleteOperator, getOperator, isGone, NOT_AN_ID } from "../cloud/operator.ts";
import { OPERATOR_ID } from "../cloud/schemas.ts";
import { withConfig } from "../config/paths.ts";
import type { LiveConfig } from "../config/live_config.ts";
import { ApiError, BindError, FileError, hintOf, messageOf } from "../model/errors.ts";
import { DAMAGED_SUFFIX } from "../model/state_files.ts";
import type { System } from "../system/system.ts";
import { apiOptions } from "./account_parts.ts";
import { checkDirectories } from "./directories.ts";
import { removeLeftoverFiles } from "./leftover_files.ts";
import { excludeDaemons } from "./machine_lock.ts";
import { stateDirectory, statePaths } from "./paths.ts";

const log = getLogger(["ngrokd", "daemon"]);

/** Milliseconds for all requests together. */
const CLOUD_MS = 60_000;

/**
 * Takes this machine out of the account. Removes its operator in the cloud, then the identity, the
 * learnt CA, the last known endpoints, everything that an unfinished registration or renewal left,
 * and all files that were set aside, and prints a line for each. The registration marker and the id
 * are removed last, so that a next run finishes one that was interrupted. The leases stay.
 *
 * @throws {BindError} If a daemon is running, which would register again.
 * @throws {ApiError} If the cloud did not confirm that the operator is gone; nothing is removed
 * here then.
 * @throws {FileError} `unsafe` if ngrokd runs as root and another user can replace the files; none
 * is read then. If a file cannot be read, or holds no operator id. If one cannot be removed:
 * of a file that was set aside, after all others have been.
 */
export async function deregister(live: LiveConfig, system: System): Promise<void> {
  await using _exclusion = await excludeDaemons(live, system).catch((error) => stopFirst(error, live));
  const { files, writeOut } = system;
  const paths = statePaths(live);
  for (const problem of await checkDirectories(live, files)) {
    log.warn("Problem with the state directory: {error}", { error: problem });
  }
  const id = await readId(live, system);
  const marker = await new RegistrationMarker(paths.registrationMarker, files).pending();
  writeOut(`${await removeFromCloud({ id, marker }, { live, system })}\n`);
  await removeLeftoverFiles(live, { files, onRemoved: (path) => writeOut(`Removed ${path}\n`) });
  const { clientCert, clientKey } = live.current.server;
  let failure: unknown;
  for (
    const path of [
      paths.pendingPair,
      paths.signingRequest,
      clientKey,
      clientCert,
      ...[clientKey, clientCert, ...Object.values(paths)].map((path) => path + DAMAGED_SUFFIX),
      paths.lastRenewal,
      paths.ingressEndpoint,
      paths.learntCa,
      paths.endpoints,
      paths.registrationMarker,
      paths.operatorId,
    ]
  ) {
    if (await files.statPath(path) === undefined) continue;
    try {
      await files.removeFile(path);
      writeOut(`Removed ${path}\n`);
    } catch (error) {
      // A directory that was set aside must not keep the identity here.
      if (!path.endsWith(DAMAGED_SUFFIX)) throw error;
      failure ??= error;
    }
  }
  if (failure !== undefined) throw failure;
}

function again({ path }: LiveConfig): string {
  return `then run ${withConfig("ngrokd deregister", path)} again`;
}

function stopFirst(error: unknown, live: LiveConfig): never {
  if (!(error instanceof BindError) || error.reason !== "in_use") throw error;
  const { address, reason, message } = error;
  const hint = `Stop the daemon first, ${again(live)}`;
  throw new BindError(message, { address, reason, hint, cause: error });
}

async function readId(live: LiveConfig, system: System): Promise<string | undefined> {
  const path = statePaths(live).operatorId;
  const id = (await system.files.readOwnIfAny(path))?.trim() ?? "";
  if (id === "" || OPERATOR_ID.test(id)) return id || undefined;
  throw new FileError(`Cannot use ${path}: it holds no operator id`, {
    path,
    reason: "other",
    hint: `Delete the operator in the ngrok dashboard, remove ${path}, ${again(live)}`,
  });
}

/** Removes the operators that the id and the marker identify. Returns the result for the user. */
async function removeFromCloud(
  { id, marker }: { readonly id: string | undefined; readonly marker: string | undefined },
  options: { live: LiveConfig; system: System },
): Promise<string> {
  if (id === undefined && marker === undefined) {
    return `Nothing to deregister: ${stateDirectory(options.live)} holds no operator id`;
  }
  const client = new ApiClient(apiOptions(options));
  const signal = AbortSignal.timeout(CLOUD_MS);
  try {
    const marked = marker === undefined ? [] : await findOperators(client, marker, { signal });
    const own = id !== undefined && await exists(client, id, signal) ? [id] : [];
    const found = new Set([...own, ...marked]);
    for (const each of found) await deleteOperator(client, each, { signal });
    if (found.size > 0) return `Removed the operator ${[...found].join(" and ")} from the ngrok account`;
  } catch (error) {
    throw keptError(error, { signal, live: options.live });
  }
  return id === undefined
    ? "The interrupted registration has no operator in the ngrok account"
    : `The operator ${id} is not in the ngrok account of this API key; if it is another account's, delete it there`;
}

/**
 * Returns true if the account has this operator. It is asked before the removal, because any web
 * server may answer 200 to that. Only the list proves that there is none: a 404 can come from a
 * gateway, or from a wrong path in `api.url`.
 */
async function exists(client: ApiClient, id: string, signal: AbortSignal): Promise<boolean> {
  try {
    await getOperator(client, id, { signal });
    return true;
  } catch (error) {
    if (!isGone(error)) throw error;
    if ((await listOperatorIds(client, signal)).includes(id)) throw error;
    return false;
  }
}

/**
 * Returns the same failure with a hint that fits: nothing is retried here, and no daemon runs that
 * could be given a key.
 */
function keptError(error: unknown, { signal, live }: KeptOptions): ApiError {
  const { status, code } = error instanceof ApiError ? error : { status: 0, code: "other" };
  const message = signal.aborted
    ? `Cannot deregister: the API took longer than ${CLOUD_MS / 1000} s`
    : messageOf(error);
  return new ApiError(message, {
    status,
    code,
    hint: `Nothing was removed here. ${hintFor({ status, code }) ?? hintOf(error) ?? "See above"}, ${
      again(live)
    }`,
    cause: error,
  });
}

interface KeptOptions {
  readonly signal: AbortSignal;
  readonly live: LiveConfig;
}

function hintFor({ status, code }: { readonly status: number; readonly code: string }): string | undefined {
  if (code === "no_key" || code === "bad_key" || status === 401 || status === 403) {
    return "Give an API key of the operator's account in api.key or NGROK_API_KEY";
  }
  if (code === NOT_AN_ID) return "Delete the operator in the ngrok dashboard, remove operator_id here";
  if (code === "unreachable" || code === "timeout" || code === "other") {
    return "Check this machine's network and api.url";
  }
  if (status === 429) return "Wait a minute";
  if (status >= 500) return "See https://status.ngrok.com, wait until ngrok works again";
  return undefined;
}
