import assert from "node:assert/strict";
import { FakeMachine } from "../fakes/fake_machine.ts";
import { withDaemon } from "../fakes/with_daemon.ts";
import { shell } from "./commands.ts";
import { Lan } from "./lan.ts";
import { rootTests } from "./test_root.ts";

/** A wake follows a change within 10 s, and a poll follows the wake at once. */
const MAX_MS = 15_000;

const test = rootTests(import.meta.url);

/** A daemon that polls once an hour, unless it wakes. */
interface RunningDaemon {
  readonly machine: FakeMachine;
  /** The number of polls so far. */
  polls(): number;
  /** Waits until the daemon has checked the machine a few times, and would have acted. */
  untilChecked(): Promise<void>;
  /** Moves the daemon's clocks forward, so that another wake is allowed. */
  advance(): void;
}

async function withRunning(body: (daemon: RunningDaemon) => Promise<void>): Promise<void> {
  let advancedMs = 0;
  let checks = 0;
  await using machine = await FakeMachine.create({
    subnet: "10.107.0.0/16",
    pollSeconds: 3600,
    system: {
      wakeOptions: {
        everyMs: 100,
        wallMs() {
          checks++;
          return Date.now() + advancedMs;
        },
        steadyMs: () => performance.now() + advancedMs,
      },
    },
  });
  machine.cloud.addEndpoint({ url: "http://api.myapp:8301", backend: "http" });
  await withDaemon(machine, () =>
    body({
      machine,
      polls: () => machine.cloud.requests().filter(({ route }) => route === "bound_endpoints.list").length,
      async untilChecked() {
        const before = checks;
        await machine.until("the daemon has checked the machine", () => checks >= before + 4);
      },
      advance: () => advancedMs += 10_000,
    }));
}

test("the daemon polls within seconds after an interface or an address appears or disappears", () =>
  withRunning(async ({ machine, polls, advance }) => {
    const [lan, other] = [new Lan(), new Lan()];
    const changes: readonly (readonly [string, () => Promise<unknown>])[] = [
      ["a new interface", () => lan.create(lan.cidr(1))],
      ["another address", () => shell(`ip address add ${other.cidr(1)} dev ${lan.link}`)],
      ["an IPv6 address", () => shell(`ip -6 address add 2001:db8:0:1::7/64 dev ${lan.link} nodad`)],
      ["the end of the interface", () => lan.delete()],
    ];
    for (const [name, change] of changes) {
      const before = polls();
      const startedAt = performance.now();
      await change();
      await machine.until(`a poll after ${name}`, () => polls() > before);
      assert.ok(performance.now() - startedAt < MAX_MS);
      assert.equal(polls(), before + 1);
      advance();
    }
  }));

test("its own interface, link-local and temporary IPv6 addresses do not wake the daemon", () =>
  withRunning(async ({ machine, polls, untilChecked, advance }) => {
    const lan = new Lan();
    const before = polls();
    assert.match(await shell("ip address show"), /10\.107\.|ngrokd0/);
    await untilChecked();
    await lan.create();
    await machine.until(
      "link-local addresses are there",
      async () => (await shell(`ip -6 address show dev ${lan.link}`)).includes("fe80::"),
    );
    await untilChecked();
    assert.equal(polls(), before);
    await shell(`ip -6 address add 2001:db8:0:2::7/64 dev ${lan.link} nodad`);
    await machine.until("a poll after a global address", () => polls() === before + 1);
    advance();
    // A temporary address of the same network.
    await shell(`ip -6 address add 2001:db8:0:2:a:b:c:d/64 dev ${lan.link} nodad`);
    await untilChecked();
    assert.equal(polls(), before + 1);
  }));
