import assert from "node:assert/strict";
import { type IssueOptions, TestCa } from "../fakes/test_ca.ts";
import { type FakeMachine, fakeMachine } from "./fake_machine.ts";
import { listOf, statusLine, statusOf, withDaemon } from "./with_daemon.ts";

const HOUR = 3_600_000;
const ca = await TestCa.create();

/** Dates from now, in milliseconds. */
function dates(from: number, to: number): IssueOptions {
  return { notBefore: new Date(Date.now() + from), notAfter: new Date(Date.now() + to) };
}

/** A machine that is registered, whose daemon has ended, and on which this certificate and its key lie. */
async function machineWith(subnet: string, issued: IssueOptions): Promise<FakeMachine> {
  const machine = await fakeMachine(`net: {subnet: ${subnet}}`);
  machine.cloud.addEndpoint({ url: "http://api.myapp:8361", backend: "http" });
  await withDaemon(machine, () => Promise.resolve());
  const { cert, key } = await ca.pair(issued);
  await Deno.writeTextFile(`${machine.directory}/state/tls.crt`, cert);
  await Deno.writeTextFile(`${machine.directory}/state/tls.key`, key);
  return machine;
}

function renewals({ cloud }: FakeMachine): number {
  return cloud.requests().filter(({ route, body }) => route === "operators.update" && body.includes("csr"))
    .length;
}

async function firstLine(machine: FakeMachine): Promise<string> {
  await machine.until("it is listed", async () => (await listOf(machine)).length === 1);
  return await statusLine((await listOf(machine))[0]!);
}

for (
  const [index, [name, issued]] of ([
    ["has expired", () => dates(-2 * HOUR, -HOUR)],
    ["is not valid yet", () => dates(48 * HOUR, 96 * HOUR)],
    ["lives a second", () => dates(-1000, 0)],
  ] as const).entries()
) {
  Deno.test(`runDaemon() with a certificate that ${name} renews it at once, with one request, and serves (F19)`, async () => {
    await using machine = await machineWith(`127.${130 + index}.0.0/16`, issued());
    await withDaemon(machine, async () => {
      await machine.until("it is renewed", async () => {
        const { certificate } = await statusOf(machine);
        return certificate!.issuer.includes("Simulated");
      });
      assert.equal(await firstLine(machine), "HTTP/1.1 200 OK");
      assert.equal(renewals(machine), 1);
    });
  });
}

Deno.test("runDaemon() with a certificate of a CA that the ingress does not know says what to do, asks for nothing, and serves after refresh-cert --force (F19)", async () => {
  await using machine = await machineWith("127.133.0.0/16", dates(-HOUR, 48 * HOUR));
  await withDaemon(machine, async () => {
    assert.equal(await firstLine(machine), "HTTP/1.1 502 Bad Gateway");
    const { ingress } = await statusOf(machine);
    assert.equal(ingress.state, "failing");
    assert.match(ingress.hint!, /the ingress may refuse our certificate: ngrokctl refresh-cert --force$/);
    assert.equal(renewals(machine), 0);
    assert.equal((await machine.ask("refresh-cert", ["--force"])).success, true);
    assert.equal(await firstLine(machine), "HTTP/1.1 200 OK");
    assert.equal(renewals(machine), 1);
  });
});
