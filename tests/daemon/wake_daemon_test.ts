import assert from "node:assert/strict";
import { DialError } from "../../src/model/errors.ts";
import { connectTls } from "../../src/system/net.ts";
import { realSystem } from "../../src/system/system.ts";
import { probeChain } from "../../src/system/tls_chain.ts";
import { type FakeMachine, fakeMachine } from "./fake_machine.ts";
import { listOf, statusLine, statusOf, withDaemon } from "./with_daemon.ts";

const HOUR_MS = 3_600_000;
/** Another one for each process, so that several runs on one machine do not meet. */
const NETWORK = `127.${50 + Deno.pid % 50}.0`;
/** Where the endpoint listens if nobody else does. */
const WHERE = `${NETWORK}.2:8351`;
const LIST = "bound_endpoints.list";

/** A machine that sleeps and moves as it is told. */
interface Traveller {
  readonly machine: FakeMachine;
  /** As it is when the machine runs again an hour later. */
  sleep(): void;
  /** To a network where it has these addresses. */
  move(...addresses: string[]): void;
  /** Time in which nothing happens. */
  rest(): void;
  /** How often the daemon has acted upon either. */
  wakes(): number;
  /** How often the API was asked for endpoints. */
  polls(): number;
  /** How often the ingress was looked at. */
  probes(): number;
  /** Whether the ingress is out of reach. */
  isCutOff: boolean;
}

/** Runs the real daemon before the simulated cloud; it polls by itself once an hour. `meanwhile` runs from its start on. */
async function withTraveller(options: {
  test: (traveller: Traveller) => Promise<void>;
  meanwhile?: (traveller: Traveller) => Promise<void>;
}): Promise<void> {
  const { test, meanwhile } = options;
  let sleptMs = 0;
  let restedMs = 0;
  let addresses = ["192.168.1.7"];
  let probes = 0;
  const { holds } = realSystem();
  await using machine = await fakeMachine(`net: {subnet: ${NETWORK}.0/16}`, {
    // No hosts file: writing it leads to another round, which would check the listeners as well.
    holds: (capability) =>
      !(capability.kind === "write" && /\/hosts$/.test(capability.path)) && holds(capability),
    wakeLook: {
      everyMs: 10,
      wallMs: () => Date.now() + sleptMs + restedMs,
      steadyMs: () => performance.now() + restedMs,
    },
    interfaceAddresses: () => addresses.map((address) => ({ interface: "wlan0", address })),
    async connectTls(options) {
      if (traveller.isCutOff) throw new DialError("Cannot connect: no answer", { code: "timeout" });
      return await connectTls(options);
    },
    async probeChain(options) {
      probes++;
      return await probeChain(options);
    },
  });
  const text = await Deno.readTextFile(machine.configPath);
  await Deno.writeTextFile(machine.configPath, text.replace("poll_interval: 1", "poll_interval: 3600"));
  const traveller: Traveller = {
    machine,
    sleep: () => sleptMs += HOUR_MS,
    move: (...other) => addresses = other,
    rest: () => restedMs += 10_000,
    wakes: () => machine.out.join("").split("the ingress is dialled anew").length - 1,
    polls: () => machine.cloud.requests().filter(({ route }) => route === LIST).length,
    probes: () => probes,
    isCutOff: false,
  };
  machine.cloud.addEndpoint({ url: "http://api.myapp:8351", backend: "http" });
  await Promise.all([
    meanwhile?.(traveller),
    withDaemon(machine, async () => {
      await machine.until("its endpoint is listed", async () => (await listOf(machine)).length === 1);
      await test(traveller);
    }),
  ]);
}

/** Another program's listener on {@linkcode WHERE}. */
function hold(): Deno.TcpListener {
  return Deno.listen({ hostname: `${NETWORK}.2`, port: 8351 });
}

async function listensOn(machine: FakeMachine): Promise<string> {
  return (await listOf(machine))[0]!.listen_address;
}

/** The first lines of what so many requests at once get. */
async function statusLines(machine: FakeMachine, count: number): Promise<string[]> {
  const [row] = await listOf(machine);
  return await Promise.all(Array.from({ length: count }, () => statusLine(row!)));
}

const MOVES = [
  ["an hour of sleep", ({ sleep }: Traveller) => sleep()],
  ["a move to another network", ({ move }: Traveller) => move("10.1.2.3")],
  ["a move to another network of IPv6", ({ move }: Traveller) => move("192.168.1.7", "2001:db8::7")],
] as const;

for (const [what, go] of MOVES) {
  Deno.test(`runDaemon() after ${what} asks the API, gets its port back, and tries the ingress for every connection`, async () => {
    using held = hold();
    await withTraveller({
      test: async (traveller) => {
        const { machine, polls, wakes } = traveller;
        await machine.until("it has another port", async () => /:9\d+$/.test(await listensOn(machine)));
        held.close();
        const known = polls();
        go(traveller);
        await machine.until("it listens where it should", async () => await listensOn(machine) === WHERE);
        await machine.until("it has polled", () => polls() === known + 1);
        assert.equal(wakes(), 1);

        traveller.isCutOff = true;
        assert.deepEqual(await statusLines(machine, 2), Array(2).fill("HTTP/1.1 502 Bad Gateway"));
        assert.match(machine.out.join(""), /connections fail at once until it does/);
        traveller.isCutOff = false;
        traveller.rest();
        traveller.sleep();
        await machine.until("it acts again", () => wakes() === 2);
        assert.deepEqual(
          await statusLines(machine, 4),
          Array(4).fill("HTTP/1.1 200 OK"),
          "not one trial and three failures",
        );
        await machine.until("it has polled again", () => polls() === known + 2);
        assert.equal((await statusOf(machine)).api.state, "ok");
      },
    });
  });
}

Deno.test("runDaemon() makes a poll anew that hangs since before the sleep, and calls it no failure", async () => {
  await withTraveller({
    test: async (traveller) => {
      const { machine, polls, wakes } = traveller;
      machine.cloud.faults.set({ kind: "never_answer", route: LIST, times: 1 });
      const known = polls();
      traveller.sleep();
      await machine.until("a poll hangs", () => polls() === known + 1);
      traveller.rest();
      traveller.sleep();
      await machine.until("it is made anew", () => polls() === known + 2);
      await machine.until("it acts twice", () => wakes() === 2);
      const { api } = await statusOf(machine);
      assert.deepEqual([api.state, api.error], ["ok", null]);
      assert.ok(!machine.out.join("").includes("Cannot poll"));
    },
  });
});

Deno.test("runDaemon() after sleep leaves an API alone that asked for it or refused the key, and checks its listeners (F36, F37)", async () => {
  for (
    const fault of [{ status: 429, retryAfter: "600" }, { status: 503, retryAfter: "600" }, { status: 401 }]
  ) {
    using held = hold();
    await withTraveller({
      test: async (traveller) => {
        const { machine, polls, wakes } = traveller;
        machine.cloud.faults.set({ kind: "error", ...fault, route: LIST });
        traveller.sleep();
        await machine.until("it is told", async () => (await statusOf(machine)).api.state !== "ok");
        const known = polls();
        held.close();
        traveller.rest();
        traveller.sleep();
        await machine.until("it listens where it should", async () => await listensOn(machine) === WHERE);
        assert.deepEqual([polls(), wakes()], [known, 2]);
      },
    });
  }
});

Deno.test("runDaemon() that sleeps in the middle of its registration registers within seconds, and leaves one operator in the account", async () => {
  await withTraveller({
    async meanwhile({ machine, sleep }) {
      const { cloud } = machine;
      cloud.faults.set({ kind: "slow_body", msPerByte: 10_000, route: "operators.create", times: 1 });
      await machine.until("the answer hangs", () => cloud.operators().length === 1);
      sleep();
    },
    test({ machine }) {
      assert.deepEqual(machine.cloud.operators().map(({ deleted }) => deleted), [false]);
      return Promise.resolve();
    },
  });
});

Deno.test("runDaemon() after sleep serves connections whose dial hangs, over new ones (they failed after 10 s)", async () => {
  await withTraveller({
    async test({ machine, sleep }) {
      const { cloud } = machine;
      cloud.faults.set({ kind: "ingress.silent" });
      const lines = statusLines(machine, 3);
      await machine.until("their dials hang", () => cloud.openConnections === 3);
      cloud.faults.clear();
      const started = performance.now();
      sleep();
      assert.deepEqual(await lines, Array(3).fill("HTTP/1.1 200 OK"));
      assert.ok(performance.now() - started < 5_000, "long before the dials would have failed");
    },
  });
});

Deno.test("runDaemon() after sleep sends a renewal anew that hangs, so that the poll does not wait for it", async () => {
  await withTraveller({
    async test({ machine, polls, sleep }) {
      const { cloud } = machine;
      const updates = () => cloud.requests().filter(({ route }) => route === "operators.update").length;
      const known = [updates(), polls()] as const;
      cloud.faults.set({ kind: "never_answer", route: "operators.update", times: 1 });
      const renewed = machine.ask("refresh-cert", ["--force"]);
      await machine.until("it hangs", () => updates() === known[0] + 1);
      const started = performance.now();
      sleep();
      assert.match(String((await renewed).data), /^Certificate renewed/);
      await machine.until("it has polled", () => polls() === known[1] + 1);
      assert.ok(performance.now() - started < 5_000, "a request takes 15 s to fail");
      assert.equal(updates(), known[0] + 2);
    },
  });
});

Deno.test("runDaemon() looks anew at an ingress that it refused before the network changed (it waited for the rest of a minute)", async () => {
  await withTraveller({
    test: async (traveller) => {
      const { machine, probes, wakes } = traveller;
      machine.cloud.faults.set({ kind: "ingress.untrusted_ca" });
      const failed = "HTTP/1.1 502 Bad Gateway";
      assert.deepEqual([await statusLines(machine, 1), probes()], [[failed], 1]);
      assert.deepEqual([await statusLines(machine, 1), probes()], [[failed], 1]);
      traveller.move("10.1.2.3");
      await machine.until("it has acted", () => wakes() === 1);
      assert.deepEqual([await statusLines(machine, 1), probes()], [[failed], 2]);
    },
  });
});
