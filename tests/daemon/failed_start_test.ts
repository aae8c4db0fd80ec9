import assert from "node:assert/strict";
import { renderBlock } from "../../src/names/hosts/hosts_block.ts";
import { BindError } from "../../src/model/errors.ts";
import { withDeadline } from "../../src/system/clock.ts";
import { realSystem, type System } from "../../src/system/system.ts";
import { FakeMachine } from "../fakes/fake_machine.ts";
import { connectTo } from "../fakes/with_daemon.ts";

const USER = "127.0.0.1 localhost\n";
const { files, holds } = realSystem();

function fail(): never {
  throw new Error("planted");
}

/** A machine with one endpoint and with the names and the journal of a daemon that was killed. */
async function machineAfterCrash(subnet?: string): Promise<FakeMachine> {
  const machine = await FakeMachine.create(subnet === undefined ? {} : { subnet });
  const { hostsPath, etc, network, cloud } = machine;
  cloud.addEndpoint({ url: "tcp://db.internal:8361", backend: "echo" });
  const section = renderBlock(new Map([["db.internal", network.address("0.2")]]));
  await Deno.writeTextFile(hostsPath, `${USER}\n${section}`);
  const changes = [{ kind: "hosts", path: hostsPath, created: false }];
  await Deno.writeTextFile(`${etc}/journal.json`, JSON.stringify({ version: 1, changes }));
  return machine;
}

/** The names of everything that the daemon left. */
async function leftovers({ hostsPath, socketPath, etc }: FakeMachine): Promise<string[]> {
  const left: string[] = [];
  if (await Deno.readTextFile(hostsPath) !== USER) left.push("names");
  for (const path of [socketPath, `${etc}/journal.json`]) {
    if (await Deno.stat(path).then(() => true, () => false)) left.push(path);
  }
  return left;
}

/** Each part in the order of the start, with a system where it fails. */
const PARTS: readonly {
  readonly part: string;
  readonly system: Partial<System>;
  /** Fails before the journal is open, so that the names of the killed daemon stay as they were. */
  readonly isEarly?: boolean;
  readonly subnet?: string;
}[] = [
  { part: "control socket", system: { listenLocal: fail }, isEarly: true },
  {
    part: "machine-wide lock",
    system: {
      holdLock: () => Promise.reject(new BindError("planted", { address: "/lock", reason: "in_use" })),
    },
    isEarly: true,
    subnet: "10.107.0.0/16",
  },
  { part: "state directory", system: { files: { ...files, makeDirectory: fail } }, isEarly: true },
  { part: "account", system: { files: { ...files, readOwnIfAny: fail } } },
  { part: "set of trusted CAs", system: { files: { ...files, listDirectory: fail } } },
  {
    part: "publisher of names",
    system: {
      holds: (asked) => asked.kind === "write" && asked.path.endsWith("/hosts") ? fail() : holds(asked),
    },
  },
  {
    part: "watch for a wake",
    system: {
      get wakeOptions() {
        return fail();
      },
    },
  },
];

for (const { part, system, isEarly = false, subnet } of PARTS) {
  Deno.test(`runDaemon() exits with 1 and leaves nothing behind if the ${part} fails to start`, async () => {
    await using machine = await machineAfterCrash(subnet);
    const before = await leftovers(machine);
    assert.equal(before.length, 2);
    Object.defineProperties(machine.system, Object.getOwnPropertyDescriptors(system));
    assert.equal(await machine.run(), 1);
    assert.match(machine.err.join(""), /^Error: planted\n/);
    assert.deepEqual(await leftovers(machine), isEarly ? before : []);
  });
}

/** Starts a daemon whose watch for a wake fails as soon as `isBroken` is set. */
async function breakable(): Promise<{ machine: FakeMachine; fault: { isBroken: boolean } }> {
  const machine = await machineAfterCrash();
  const fault = { isBroken: false };
  machine.override({ wakeOptions: { everyMs: 10, wallMs: () => fault.isBroken ? fail() : Date.now() } });
  return { machine, fault };
}

/** The exit code of a daemon that has failed; asserts that it ends within 5 s. */
async function exitCode(running: Promise<number>): Promise<number> {
  return await withDeadline(running, { ms: 5000, onTimeout: () => new Error("It still runs after 5 s") });
}

Deno.test("runDaemon() that fails while it serves exits with 1, cuts connections and leaves nothing", async () => {
  const { machine: made, fault } = await breakable();
  await using machine = made;
  const running = machine.run();
  const [row] = await machine.active(1);
  const { health } = await machine.askStatus();
  using conn = await connectTo(row!);
  await conn.write(new TextEncoder().encode("ping"));
  assert.equal(await conn.read(new Uint8Array(8)), 4);
  fault.isBroken = true;
  assert.equal(await exitCode(running), 1);
  assert.equal(await conn.read(new Uint8Array(8)).catch(() => null), null);
  await assert.rejects(connectTo(row!), Deno.errors.ConnectionRefused);
  await assert.rejects(fetch(`http://${health.address}/healthz`), TypeError);
  assert.deepEqual(await leftovers(machine), []);
});

// It once waited for the round for ever.
Deno.test("runDaemon() that fails while a round hangs leaves nothing", async () => {
  const { machine: made, fault } = await breakable();
  await using machine = made;
  const hangs = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  machine.override({
    files: {
      ...files,
      writeFileAtomic: async (path, ...rest) => {
        if (path.endsWith("/endpoints.json")) {
          hangs.resolve();
          await release.promise;
        }
        await files.writeFileAtomic(path, ...rest);
      },
    },
  });
  const running = machine.run();
  await hangs.promise;
  fault.isBroken = true;
  assert.equal(await exitCode(running), 1);
  assert.match(machine.logText, /Cannot finish the running round: it takes too long/);
  assert.deepEqual(await leftovers(machine), []);
  release.resolve();
});
