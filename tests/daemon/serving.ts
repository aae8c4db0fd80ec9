import assert from "node:assert/strict";
import type { StatusReport } from "../../src/model/report.ts";
import type { FakeMachine } from "./fake_machine.ts";
import { listOf, statusLine, statusOf } from "./with_daemon.ts";

/** An endpoint that a running daemon serves, as it stood when the API was still well. */
export interface Serving {
  /** Demands that endpoint, address and hosts file are as they were. */
  isKept(what: string): Promise<void>;
  /** As {@linkcode isKept}, and that it answers. */
  stays(what: string): Promise<void>;
}

/** Waits until the daemon serves its only endpoint, which answers HTTP. */
export async function serving(machine: FakeMachine): Promise<Serving> {
  await machine.until("it is listed", async () => (await listOf(machine)).length === 1);
  const [row] = await listOf(machine);
  const readHosts = () => Deno.readTextFile(`${machine.directory}/hosts`);
  const hosts = await readHosts();
  assert.ok(hosts.includes(row!.hostname));
  assert.equal(await statusLine(row!), "HTTP/1.1 200 OK", "before anything went wrong");
  const isKept = async (what: string) => {
    const rows = (await listOf(machine)).map(({ state, listen_address }) => [state, listen_address]);
    assert.deepEqual(rows, [["active", row!.listen_address]], what);
    assert.equal(await readHosts(), hosts, what);
  };
  return {
    isKept,
    async stays(what) {
      await isKept(what);
      assert.equal(await statusLine(row!), "HTTP/1.1 200 OK", what);
    },
  };
}

/** Has the API polled until its status says what it must, and gives that. Each try costs two requests. */
export async function pollUntil(
  machine: FakeMachine,
  says: (api: StatusReport["api"]) => boolean,
): Promise<StatusReport["api"]> {
  let { api } = await statusOf(machine);
  await machine.until(`the API's status is another than ${JSON.stringify(api)}`, async () => {
    await machine.ask("set-api-key", [machine.cloud.apiKey]);
    ({ api } = await statusOf(machine));
    return says(api);
  });
  return api;
}
