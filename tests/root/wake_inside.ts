// Run by wake_test.ts, as root in a network namespace of its own, whose interfaces it makes and takes away.
import assert from "node:assert/strict";
import { FakeMachine } from "../fakes/fake_machine.ts";
import { withDaemon } from "../fakes/with_daemon.ts";
import { shell } from "./commands.ts";

/** A wake comes 10 s after a change at the latest, and the poll follows at once. */
const MAX_MS = 15_000;

interface Started {
  readonly machine: FakeMachine;
  /** How often the API was asked for endpoints. */
  polls(): number;
  /** Until the daemon has looked at the machine some more times, and would have acted upon what it saw. */
  looks(): Promise<void>;
  /** As if the daemon had run for so long. */
  rest(): void;
}

/** Runs the real daemon, which polls by itself once an hour. */
async function withStarted(test: (started: Started) => Promise<void>): Promise<void> {
  let restedMs = 0;
  let looks = 0;
  await using machine = await FakeMachine.create({
    subnet: "10.107.0.0/16",
    pollSeconds: 3600,
    system: {
      wakeLook: {
        everyMs: 100,
        wallMs() {
          looks++;
          return Date.now() + restedMs;
        },
        steadyMs: () => performance.now() + restedMs,
      },
    },
  });
  machine.cloud.addEndpoint({ url: "http://api.myapp:8301", backend: "http" });
  await withDaemon(machine, () =>
    test({
      machine,
      polls: () => machine.cloud.requests().filter(({ route }) => route === "bound_endpoints.list").length,
      async looks() {
        const known = looks;
        await machine.until("it has looked", () => looks >= known + 4);
      },
      rest: () => restedMs += 10_000,
    }));
}

Deno.test("the daemon polls within seconds when a real interface comes, gets another address, IPv6 too, and goes", () =>
  withStarted(async ({ machine, polls, rest }) => {
    for (
      const change of [
        "ip link add veth0 type veth peer name veth1; ip link set veth1 up; ip address add 192.168.77.1/24 dev veth0; ip link set veth0 up",
        "ip address add 192.168.78.1/24 dev veth0",
        "ip -6 address add 2001:db8:0:1::7/64 dev veth0 nodad",
        "ip link delete veth0",
      ]
    ) {
      const known = polls();
      const started = performance.now();
      await shell(change);
      await machine.until(`a poll after ${change}`, () => polls() > known);
      assert.ok(performance.now() - started < MAX_MS);
      assert.equal(polls(), known + 1);
      rest();
    }
  }));

Deno.test("the daemon does not take its own interface, link-local addresses or a temporary address of IPv6 for another network", () =>
  withStarted(async ({ machine, polls, looks, rest }) => {
    const known = polls();
    assert.match(await shell("ip address show"), /10\.107\.|ngrokd0/);
    await looks();
    await shell("ip link add veth2 type veth peer name veth3; ip link set veth2 up; ip link set veth3 up");
    await machine.until(
      "link-local addresses are there",
      async () => (await shell("ip -6 address show dev veth2")).includes("fe80::"),
    );
    await looks();
    assert.equal(polls(), known);
    await shell("ip -6 address add 2001:db8:0:2::7/64 dev veth2 nodad");
    await machine.until("the network is seen", () => polls() === known + 1);
    rest();
    await shell("ip -6 address add 2001:db8:0:2:a:b:c:d/64 dev veth2 nodad");
    await looks();
    assert.equal(polls(), known + 1);
  }));
