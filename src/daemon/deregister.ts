import { ApiClient } from "../cloud/client.ts";
import { findOperators, listOperatorIds } from "../cloud/list_operators.ts";
import { deleteOperator, getOperator, isGone, NOT_AN_ID } from "../cloud/operator.ts";
import { OPERATOR_ID } from "../cloud/schemas.ts";
import { RegistrationMarker } from "../account/registration_marker.ts";
import { VERSION } from "../lib/version.ts";
import { ApiError, BindError, FileError, hintOf, messageOf } from "../model/errors.ts";
import type { System } from "../system/system.ts";
import type { LiveConfig } from "../config/live_config.ts";
import { lockMachine, SOCKET_GROUP } from "./machine_lock.ts";
import { stateDirectory, statePaths } from "./paths.ts";
import { removeLeftoverFiles } from "./leftover_files.ts";

/** For all that is asked of the API together. */
const CLOUD_MS = 60_000;
const AGAIN = "then run ngrokd deregister again";

/**
 * Takes this machine out of the account: removes its operator in the cloud, then its id, key, certificate, learnt CA, last known
 * endpoints and all that a registration or renewal left unfinished; one line of output for each. The id, or the
 * registration marker that stands for it, is the last to go, so that what was cut off is finished by the next call.
 *
 * @throws {BindError} If a daemon is running: it would register anew.
 * @throws {ApiError} If the cloud did not say that the operator is gone; nothing is removed here then.
 * @throws {FileError} If a file cannot be read or removed, or holds no operator id.
 */
export async function deregister(live: LiveConfig, system: System): Promise<void> {
  const lock = await whenNoneRuns(() =>
    system.listenLocal(live.current.server.socketPath, { group: SOCKET_GROUP })
  );
  try {
    await using _machine = await whenNoneRuns(() => lockMachine(live, system));
    const directory = stateDirectory(live);
    const paths = { id: `${directory}/operator_id`, marker: `${directory}/registration_mark` };
    const id = await readId(paths.id, system);
    const marker = await new RegistrationMarker(paths.marker, system.files).pending();
    system.writeOut(`${await removeFromCloud({ id, marker, directory }, { live, system })}\n`);
    await removeLeftoverFiles(live, system.files);
    const { clientCert, clientKey } = live.current.server;
    const pair = [clientKey, `${clientKey}.bad`, clientCert, `${clientCert}.bad`];
    const unfinished = ["tls.pending", "tls.csr"].map((name) => `${directory}/${name}`);
    // The addresses stay this machine's; the endpoints are the account's.
    const known = [
      statePaths(live).lastRenewal,
      statePaths(live).ingressEndpoint,
      statePaths(live).learntCa,
      `${directory}/endpoints.json`,
    ];
    for (const path of [...unfinished, ...pair, ...known, paths.marker, paths.id]) {
      if (await system.files.statPath(path) === undefined) continue;
      await system.files.removeFile(path);
      system.writeOut(`Removed ${path}\n`);
    }
  } finally {
    lock.close();
  }
}

async function whenNoneRuns<T>(take: () => Promise<T>): Promise<T> {
  try {
    return await take();
  } catch (error) {
    if (!(error instanceof BindError) || error.reason !== "in_use") throw error;
    const { address, reason, message } = error;
    const hint = `Stop the daemon first, ${AGAIN}`;
    throw new BindError(message, { address, reason, hint, cause: error });
  }
}

async function readId(path: string, system: System): Promise<string | undefined> {
  const id = (await system.files.readTextIfAny(path))?.trim() ?? "";
  if (id === "" || OPERATOR_ID.test(id)) return id || undefined;
  throw new FileError(`Cannot use ${path}: it holds no operator id`, {
    path,
    reason: "other",
    hint: `Delete the operator in the ngrok dashboard, remove ${path}, ${AGAIN}`,
  });
}

interface Registration {
  readonly id: string | undefined;
  readonly marker: string | undefined;
  readonly directory: string;
}

/** What came of it, for the user. */
async function removeFromCloud(
  { id, marker, directory }: Registration,
  options: { live: LiveConfig; system: System },
): Promise<string> {
  if (id === undefined && marker === undefined) {
    return `Nothing to deregister: ${directory} holds no operator id`;
  }
  const { live, system } = options;
  const client = new ApiClient({
    baseUrl: () => live.current.api.url,
    key: () => live.apiKey.key,
    send: system.sendHttp,
    proxy: () => live.apiProxy.proxy,
    userAgent: `ngrokd/${VERSION}`,
  });
  const signal = AbortSignal.timeout(CLOUD_MS);
  try {
    const marked = marker === undefined ? [] : await findOperators(client, marker, { signal });
    const own = id !== undefined && await isThere(client, id, signal) ? [id] : [];
    const found = new Set([...own, ...marked]);
    for (const each of found) await deleteOperator(client, each, { signal });
    if (found.size > 0) return `Removed the operator ${[...found].join(" and ")} from the ngrok account`;
  } catch (error) {
    throw kept(error, signal);
  }
  return id === undefined
    ? "The interrupted registration has no operator in the ngrok account"
    : `The operator ${id} is not in the ngrok account of this API key; if it is another account's, delete it there`;
}

/**
 * Asked before the removal, to which any web server may answer 200: only the API knows an operator. And only its list says that there is
 * none: a 404 can come from a gateway, or from an `api.url` that is a little wrong.
 */
async function isThere(client: ApiClient, id: string, signal: AbortSignal): Promise<boolean> {
  try {
    await getOperator(client, id, { signal });
    return true;
  } catch (error) {
    if (!isGone(error)) throw error;
    if ((await listOperatorIds(client, signal)).includes(id)) throw error;
    return false;
  }
}

/** The same failure with the next step that fits: nothing is tried again by itself here, and no daemon runs to be given a key. */
function kept(error: unknown, signal: AbortSignal): ApiError {
  const { status, code } = error instanceof ApiError ? error : { status: 0, code: "other" };
  const state = signal.aborted
    ? `Cannot deregister: the API took longer than ${CLOUD_MS / 1000} s`
    : undefined;
  return new ApiError(state ?? messageOf(error), {
    status,
    code,
    hint: `Nothing was removed here. ${stepFor({ status, code }) ?? hintOf(error) ?? "See above"}, ${AGAIN}`,
    cause: error,
  });
}

function stepFor({ status, code }: { readonly status: number; readonly code: string }): string | undefined {
  if (code === "no_key" || code === "bad_key" || status === 401 || status === 403) {
    return "Give an API key of the operator's account in api.key or NGROK_API_KEY";
  }
  if (code === NOT_AN_ID) return "Delete the operator in the ngrok dashboard, remove operator_id here";
  if (code === "unreachable" || code === "timeout" || code === "other") {
    return "Check this machine's network and api.url";
  }
  if (status === 429) return "Wait a minute";
  if (status >= 500) return "See https://status.ngrok.com, wait until all is well";
  return undefined;
}
