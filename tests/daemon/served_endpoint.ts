import assert from "node:assert/strict";
import type { StatusReport } from "../../src/model/report.ts";
import { FakeMachine } from "../fakes/fake_machine.ts";
import { statusLine, withDaemon } from "../fakes/with_daemon.ts";

/**
 * Runs a daemon that serves one endpoint, which answers HTTP. `prepare` changes the machine before
 * the start.
 */
export async function whileServing(
  body: (served: ServedEndpoint) => Promise<void>,
  prepare: (machine: FakeMachine) => void = () => {},
): Promise<void> {
  await using machine = await FakeMachine.create();
  prepare(machine);
  machine.cloud.addEndpoint({ url: "http://api.myapp:8351", backend: "http" });
  await withDaemon(machine, async () => {
    const [row] = await machine.settled(1);
    const readHosts = () => Deno.readTextFile(machine.hostsPath);
    const hosts = await readHosts();
    assert.ok(hosts.includes(row!.hostname));
    assert.equal(await statusLine(row!), "HTTP/1.1 200 OK", "before the fault");
    async function assertKept(when: string): Promise<void> {
      const rows = (await machine.askList()).map(({ state, listen_address }) => [state, listen_address]);
      assert.deepEqual(rows, [["active", row!.listen_address]], when);
      assert.equal(await readHosts(), hosts, when);
    }
    async function assertServed(when: string): Promise<void> {
      await assertKept(when);
      assert.equal(await statusLine(row!), "HTTP/1.1 200 OK", when);
    }
    await body({ machine, cloud: machine.cloud, id: row!.id, assertKept, assertServed });
  });
  assert.ok(!machine.logText.includes(machine.cloud.apiKey));
}

/** The only endpoint of a running daemon, as it was before a fault. */
export interface ServedEndpoint {
  readonly machine: FakeMachine;
  readonly cloud: FakeMachine["cloud"];
  /** The id of the endpoint. */
  readonly id: string;
  /** Asserts that endpoint, address and hosts file are unchanged. */
  assertKept(when: string): Promise<void>;
  /** Asserts the same, and that the endpoint answers. */
  assertServed(when: string): Promise<void>;
}

/**
 * Makes the daemon poll until the API's status fulfils `condition`. Each attempt costs two
 * requests.
 */
export async function pollUntil(
  machine: FakeMachine,
  condition: (api: StatusReport["api"]) => boolean,
): Promise<StatusReport["api"]> {
  let { api } = await machine.askStatus();
  await machine.until(`a status of the API other than ${JSON.stringify(api)}`, async () => {
    await machine.request("set-api-key", [machine.cloud.apiKey]);
    ({ api } = await machine.askStatus());
    return condition(api);
  });
  return api;
}
