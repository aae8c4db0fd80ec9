import assert from "node:assert/strict";
import { realSystem } from "../../src/system/system.ts";
import { FakeMachine } from "../fakes/fake_machine.ts";
import { connectTo } from "../fakes/with_daemon.ts";

const HOSTS = "/etc/hosts";
const CHANGES_FILE = /^(write|create|rename|remove)/;
const real = realSystem();

/** Records what a daemon ends, and holds a round and a watch until a release. */
class Recorder {
  /** The events since the signal, each once. */
  readonly order: string[] = [];
  readonly round = new Hold();
  readonly watch = new Hold();
  isStopping = false;

  record(event: string): void {
    if (this.isStopping && !this.order.includes(event)) this.order.push(event);
  }

  /** Returns the function with an event before each call. */
  before<A extends unknown[], R>(event: string, call: (...args: A) => R): (...args: A) => R {
    return (...args) => {
      this.record(event);
      return call(...args);
    };
  }
}

/** Makes the first task that passes after it is armed wait for its release. */
class Hold {
  readonly reached = Promise.withResolvers<void>();
  readonly #released = Promise.withResolvers<void>();
  isArmed = false;

  async pass(): Promise<void> {
    this.isArmed = false;
    this.reached.resolve();
    await this.#released.promise;
  }

  release(): void {
    this.#released.resolve();
  }
}

/** Lets `machine` use its own hosts file as /etc/hosts, and records its calls. */
function recordOn(machine: FakeMachine): Recorder {
  const recorder = new Recorder();
  const moved = (value: unknown) =>
    typeof value === "string" && value.startsWith(HOSTS) ? value.replace(HOSTS, machine.hostsPath) : value;
  /** The task before a call of this function, if the call must wait. */
  function beforeCall(name: string, path: unknown, other: unknown): Promise<void> | undefined {
    if (name === "statTarget" && path === HOSTS && recorder.watch.isArmed) {
      return recorder.watch.pass().then(() => recorder.record("hosts watch"));
    }
    if (!CHANGES_FILE.test(name)) return undefined;
    if (path === HOSTS || other === HOSTS) recorder.record("names");
    if (String(path).endsWith("/journal.json")) recorder.record("undo");
    if (!String(path).endsWith("/endpoints.json") || !recorder.round.isArmed) return undefined;
    return recorder.round.pass().then(() => recorder.record("round"));
  }
  const files = Object.entries(real.files).map(([name, value]) => {
    const call = value as (...args: unknown[]) => unknown;
    return [name, (...args: unknown[]) => {
      const wait = beforeCall(name, args[0], args[1]);
      const run = () => call(...args.map(moved));
      return wait === undefined ? run() : wait.then(run);
    }];
  });
  machine.environment.NGROKD_HOSTS_PATH = HOSTS;
  const { log } = machine;
  machine.override({
    files: Object.fromEntries(files),
    holds: () => true,
    logOutput: {
      write(line) {
        if (line.includes("Waiting for running connections")) recorder.record("drain");
        log.push(line);
      },
      flush: () => Promise.resolve(),
    },
    listenUdp(where) {
      const socket = real.listenUdp(where);
      return { ...socket, close: recorder.before("DNS", socket.close) };
    },
    listenTcp(where) {
      const listener = real.listenTcp(where);
      if (where.port !== machine.healthPort) return listener;
      return { ...listener, close: recorder.before("health", () => listener.close()) };
    },
    holdLock: () =>
      Promise.resolve({ [Symbol.asyncDispose]: recorder.before("lock", () => Promise.resolve()) }),
    async listenLocal(...args) {
      const listener = await real.listenLocal(...args);
      return {
        path: listener.path,
        accept: () => listener.accept(),
        close: recorder.before("socket", () => listener.close()),
      };
    },
  });
  return recorder;
}

// Each of the two is the last to end once, so that none is waited for by chance.
for (const last of ["round", "hosts watch"] as const) {
  Deno.test(`runDaemon() ends its parts in order while a ${last} runs`, async () => {
    await using machine = await FakeMachine.create();
    const { cloud, network } = machine;
    await machine.editConfig("dns:\n", `dns:\n  enabled: true\n  listen: ${network.address("0.53")}:5353\n`);
    const recorder = recordOn(machine);
    cloud.addEndpoint({ url: "tcp://db.internal:8371", backend: "echo" });
    const running = machine.run();
    const [row] = await machine.active(1);
    const conn = await connectTo(row!);
    await conn.write(new TextEncoder().encode("ping"));
    assert.equal(await conn.read(new Uint8Array(8)), 4);
    await machine.until("the DNS server", async () => (await machine.askStatus()).dns.addresses.length > 0);

    recorder.watch.isArmed = true;
    await recorder.watch.reached.promise;
    recorder.round.isArmed = true;
    cloud.addEndpoint({ url: "tcp://more.internal:8372", backend: "echo" });
    await recorder.round.reached.promise;
    recorder.isStopping = true;
    machine.signal("SIGTERM");
    const holds = [recorder.round, recorder.watch];
    for (const hold of last === "round" ? holds.reverse() : holds) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      hold.release();
    }
    await machine.untilLogged("Waiting for running connections");
    conn.close();
    assert.equal(await running, 0, machine.logText);
    assert.deepEqual(recorder.order, [
      ...(last === "round" ? ["hosts watch", "round"] : ["round", "hosts watch"]),
      "names",
      "DNS",
      "drain",
      "undo",
      "health",
      "lock",
      "socket",
    ]);
  });
}
