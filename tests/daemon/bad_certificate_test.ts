import assert from "node:assert/strict";
import { type IssueOptions, TestCa } from "../fakes/test_ca.ts";
import { FakeMachine } from "../fakes/fake_machine.ts";
import { statusLine, withDaemon } from "../fakes/with_daemon.ts";

const HOUR = 3_600_000;
const ca = await TestCa.create();

/** Dates in milliseconds from now. */
function dates(from: number, to: number): IssueOptions {
  return { notBefore: new Date(Date.now() + from), notAfter: new Date(Date.now() + to) };
}

/**
 * A registered machine whose daemon was stopped and whose certificate was replaced by another one.
 */
async function machineWith(issued: IssueOptions): Promise<FakeMachine> {
  const machine = await FakeMachine.create();
  machine.cloud.addEndpoint({ url: "http://api.myapp:8361", backend: "http" });
  await withDaemon(machine, () => {});
  const { cert, key } = await ca.pair(issued);
  await Deno.writeTextFile(`${machine.etc}/tls.crt`, cert);
  await Deno.writeTextFile(`${machine.etc}/tls.key`, key);
  return machine;
}

function renewals({ cloud }: FakeMachine): number {
  return cloud.requests().filter(({ route, body }) => route === "operators.update" && body.includes("csr"))
    .length;
}

async function firstStatusLine(machine: FakeMachine): Promise<string> {
  const [row] = await machine.settled(1);
  return await statusLine(row!);
}

for (
  const [what, issued] of [
    ["an expired certificate", () => dates(-2 * HOUR, -HOUR)],
    ["a certificate of the future", () => dates(48 * HOUR, 96 * HOUR)],
    ["a certificate that expires now", () => dates(-1000, 0)],
  ] as const
) {
  Deno.test(`runDaemon() renews ${what} at once with one request, and serves (F19)`, async () => {
    await using machine = await machineWith(issued());
    await withDaemon(machine, async () => {
      await machine.until("a renewal", async () => {
        const { certificate } = await machine.askStatus();
        return certificate!.issuer.includes("Simulated");
      });
      assert.equal(await firstStatusLine(machine), "HTTP/1.1 200 OK");
      assert.equal(renewals(machine), 1);
    });
  });
}

Deno.test("runDaemon() with a certificate of an unknown CA serves after refresh-cert --force (F19)", async () => {
  await using machine = await machineWith(dates(-HOUR, 48 * HOUR));
  await withDaemon(machine, async () => {
    assert.equal(await firstStatusLine(machine), "HTTP/1.1 502 Bad Gateway");
    const { ingress } = await machine.askStatus();
    assert.equal(ingress.state, "failing");
    assert.match(ingress.hint!, /the ingress may refuse this certificate: ngrokctl refresh-cert --force$/);
    assert.equal(renewals(machine), 0);
    assert.equal((await machine.request("refresh-cert", ["--force"])).success, true);
    assert.equal(await firstStatusLine(machine), "HTTP/1.1 200 OK");
    assert.equal(renewals(machine), 1);
  });
});
