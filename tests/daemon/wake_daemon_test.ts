import assert from "node:assert/strict";
import { DialError } from "../../src/model/errors.ts";
import { connectTls } from "../../src/system/connect_tls.ts";
import { realSystem } from "../../src/system/system.ts";
import { probeChain } from "../../src/system/tls_chain.ts";
import { hasWorkingAddress, noteAddress } from "../../src/system/working_address.ts";
import { FakeMachine } from "../fakes/fake_machine.ts";
import { statusLine, withDaemon } from "../fakes/with_daemon.ts";

const HOUR_MS = 3_600_000;
const PORT = 8351;
const LIST = "bound_endpoints.list";

/** A machine that sleeps and changes its network. Its daemon polls once an hour. */
class Laptop {
  readonly machine: FakeMachine;
  /** True if the ingress cannot be reached. */
  isCutOff = false;
  /** The hosts and ports of all dials of the ingress. */
  readonly dialled: string[] = [];
  #sleptMs = 0;
  #restedMs = 0;
  #addresses: readonly string[] = ["192.168.1.7"];
  #probes = 0;
  #occupant: Disposable | undefined;

  constructor(machine: FakeMachine) {
    this.machine = machine;
    const { holds } = realSystem();
    machine.override({
      // A write to the hosts file would cause another round, which would check the listeners too.
      holds: (capability) =>
        !(capability.kind === "write" && /\/hosts$/.test(capability.path)) && holds(capability),
      wakeOptions: {
        everyMs: 10,
        wallMs: () => Date.now() + this.#sleptMs + this.#restedMs,
        steadyMs: () => performance.now() + this.#restedMs,
      },
      interfaceAddresses: () => this.#addresses.map((address) => ({ interface: "wlan0", address })),
      connectTls: async (options) => {
        this.dialled.push(`${options.hostname}:${options.port}`);
        if (this.isCutOff) throw new DialError("Cannot connect: no answer", { code: "timeout" });
        return await connectTls(options);
      },
      probeChain: async (options) => {
        this.#probes++;
        return await probeChain(options);
      },
    });
  }

  /** Wakes an hour later. */
  sleep(): void {
    this.#sleptMs += HOUR_MS;
  }

  /** Changes to a network where the machine has these addresses. */
  move(...addresses: string[]): void {
    this.#addresses = addresses;
  }

  /** Lets 10 s pass. */
  rest(): void {
    this.#restedMs += 10_000;
  }

  /** The address of the endpoint's listener while no other program uses it. */
  get wantedAddress(): string {
    return `${this.machine.network.address("0.2")}:${PORT}`;
  }

  /** Listens on the port of {@linkcode wantedAddress} on every address, as another program. */
  occupyPort(): void {
    this.#occupant = this.machine.holdPort(PORT);
  }

  releasePort(): void {
    this.#occupant?.[Symbol.dispose]();
  }

  async listenAddress(): Promise<string> {
    return (await this.machine.askList())[0]!.listen_address;
  }

  /** The status lines of concurrent requests to the endpoint. */
  async statusLines(count: number): Promise<string[]> {
    const [row] = await this.machine.askList();
    return await Promise.all(Array.from({ length: count }, () => statusLine(row!)));
  }

  get wakes(): number {
    return this.machine.logText.split(/This machine slept|The addresses of this machine changed/).length - 1;
  }

  /** Requests for the list of endpoints. */
  get polls(): number {
    return this.requests(LIST);
  }

  requests(route: string): number {
    return this.machine.cloud.requests().filter((request) => request.route === route).length;
  }

  /** Probes of the ingress. */
  get probes(): number {
    return this.#probes;
  }
}

/** Runs the daemon with one endpoint. `meanwhile` runs from its start on. */
async function withLaptop(
  test: (laptop: Laptop) => Promise<void> | void,
  options: { isPortOccupied?: boolean; meanwhile?: (laptop: Laptop) => Promise<void> } = {},
): Promise<void> {
  await using machine = await FakeMachine.create({ pollSeconds: 3600 });
  const laptop = new Laptop(machine);
  if (options.isPortOccupied) laptop.occupyPort();
  machine.cloud.addEndpoint({ url: `http://api.myapp:${PORT}`, backend: "http" });
  await Promise.all([
    options.meanwhile?.(laptop),
    withDaemon(machine, async () => {
      await machine.settled(1);
      await test(laptop);
    }),
  ]);
}

const CHANGES = [
  ["an hour of sleep", (laptop: Laptop) => laptop.sleep()],
  ["a change of network", (laptop: Laptop) => laptop.move("10.1.2.3")],
  ["a change of the IPv6 network", (laptop: Laptop) => laptop.move("192.168.1.7", "2001:db8::7")],
] as const;

for (const [what, change] of CHANGES) {
  Deno.test(`runDaemon() after ${what} polls, regains its port, and dials for every connection`, () =>
    withLaptop(async (laptop) => {
      const { machine } = laptop;
      await machine.until("a remapped port", async () => /:9\d+$/.test(await laptop.listenAddress()));
      laptop.releasePort();
      const known = laptop.polls;
      const api = { hostname: "api.test", port: 443 };
      noteAddress(api, { address: "192.0.2.7", tookMs: 160, order: undefined });
      change(laptop);
      await machine.until("its port", async () => await laptop.listenAddress() === laptop.wantedAddress);
      await machine.until("a poll", () => laptop.polls === known + 1);
      assert.equal(laptop.wakes, 1);
      assert.equal(hasWorkingAddress(api), false, "another network has other routes");

      laptop.isCutOff = true;
      assert.deepEqual(await laptop.statusLines(2), Array(2).fill("HTTP/1.1 502 Bad Gateway"));
      assert.match(machine.logText, /connections fail at once until it does/);
      laptop.isCutOff = false;
      laptop.rest();
      laptop.sleep();
      await machine.until("a second wake", () => laptop.wakes === 2);
      // Without the wake, one connection would try and three would fail at once.
      assert.deepEqual(await laptop.statusLines(4), Array(4).fill("HTTP/1.1 200 OK"));
      await machine.until("a second poll", () => laptop.polls === known + 2);
      assert.equal((await machine.askStatus()).api.state, "ok");
    }, { isPortOccupied: true }));
}

Deno.test("runDaemon() repeats a poll that hangs since before the sleep, and reports no failure", () =>
  withLaptop(async (laptop) => {
    const { machine } = laptop;
    machine.cloud.faults.set({ kind: "never_answer", route: LIST, times: 1 });
    const known = laptop.polls;
    laptop.sleep();
    await machine.until("a poll that hangs", () => laptop.polls === known + 1);
    laptop.rest();
    laptop.sleep();
    await machine.until("another poll", () => laptop.polls === known + 2);
    await machine.until("two wakes", () => laptop.wakes === 2);
    const { api } = await machine.askStatus();
    assert.deepEqual([api.state, api.error], ["ok", null]);
    assert.ok(!machine.logText.includes("Cannot poll"));
  }));

for (
  const fault of [{ status: 429, retryAfter: "600" }, { status: 503, retryAfter: "600" }, { status: 401 }]
) {
  Deno.test(`runDaemon() after sleep polls no API that answered ${fault.status} (F36, F37)`, () =>
    withLaptop(async (laptop) => {
      const { machine } = laptop;
      machine.cloud.faults.set({ kind: "error", ...fault, route: LIST });
      laptop.sleep();
      await machine.until("a failed poll", async () => (await machine.askStatus()).api.state !== "ok");
      const known = laptop.polls;
      laptop.releasePort();
      laptop.rest();
      laptop.sleep();
      // The first wake may be the one that regains the port.
      await machine.until("a second wake", () => laptop.wakes === 2);
      await machine.until("its port", async () => await laptop.listenAddress() === laptop.wantedAddress);
      assert.equal(laptop.polls, known);
    }, { isPortOccupied: true }));
}

Deno.test("runDaemon() that sleeps during its registration registers within seconds, as one operator", () =>
  withLaptop(({ machine }) => {
    assert.deepEqual(machine.cloud.operators().map(({ deleted }) => deleted), [false]);
  }, {
    async meanwhile(laptop) {
      const { cloud } = laptop.machine;
      cloud.faults.set({ kind: "slow_body", msPerByte: 10_000, route: "operators.create", times: 1 });
      await laptop.machine.until("a slow answer", () => cloud.operators().length === 1);
      laptop.sleep();
    },
  }));

// They failed after 10 s.
Deno.test("runDaemon() after sleep dials again for connections whose dial hangs", () =>
  withLaptop(async (laptop) => {
    const { cloud } = laptop.machine;
    cloud.faults.set({ kind: "ingress.silent" });
    const lines = laptop.statusLines(3);
    await laptop.machine.until("dials that hang", () => cloud.openConnections === 3);
    cloud.faults.clear();
    const startedAt = performance.now();
    laptop.sleep();
    assert.deepEqual(await lines, Array(3).fill("HTTP/1.1 200 OK"));
    assert.ok(performance.now() - startedAt < 5_000, "long before a dial times out");
  }));

Deno.test("runDaemon() after sleep repeats a renewal that hangs, and polls", () =>
  withLaptop(async (laptop) => {
    const { machine } = laptop;
    const updates = () => laptop.requests("operators.update");
    const [knownUpdates, knownPolls] = [updates(), laptop.polls];
    machine.cloud.faults.set({ kind: "never_answer", route: "operators.update", times: 1 });
    const renewed = machine.ask("refresh-cert", ["--force"]);
    await machine.until("a renewal that hangs", () => updates() === knownUpdates + 1);
    const startedAt = performance.now();
    laptop.sleep();
    assert.match(String(await renewed), /^Certificate renewed/);
    await machine.until("a poll", () => laptop.polls === knownPolls + 1);
    assert.ok(performance.now() - startedAt < 5_000, "a request takes 15 s to time out");
    assert.equal(updates(), knownUpdates + 2);
  }));

// It waited for the rest of a minute.
Deno.test("runDaemon() probes an untrusted ingress again after a change of network", () =>
  withLaptop(async (laptop) => {
    laptop.machine.cloud.faults.set({ kind: "ingress.untrusted_ca" });
    const failed = ["HTTP/1.1 502 Bad Gateway"];
    assert.deepEqual([await laptop.statusLines(1), laptop.probes], [failed, 1]);
    assert.deepEqual([await laptop.statusLines(1), laptop.probes], [failed, 1]);
    laptop.move("10.1.2.3");
    await laptop.machine.until("a wake", () => laptop.wakes === 1);
    assert.deepEqual([await laptop.statusLines(1), laptop.probes], [failed, 2]);
  }));

// It waited for up to 5 minutes.
Deno.test("runDaemon() dials the ingress of the API first again after a change of network", async () => {
  await using machine = await FakeMachine.create({ ingress: "", pollSeconds: 3600 });
  const { cloud } = machine;
  cloud.faults.set({ kind: "ingress_endpoint", value: "localhost:1" });
  cloud.addEndpoint({ url: `http://api.myapp:${PORT}`, backend: "http" });
  const laptop = new Laptop(machine);
  const { connectTls } = machine.system;
  machine.override({
    connectTls: (options) =>
      connectTls(
        options.hostname === "localhost"
          ? options
          : { ...options, hostname: cloud.ingressHost, port: cloud.ingressPort },
      ),
  });
  await withDaemon(machine, async () => {
    await machine.settled(1);
    await machine.until("the default ingress", async () => {
      await laptop.statusLines(1);
      return (await machine.askStatus()).ingress_endpoint.startsWith("kubernetes-binding-ingress");
    });
    laptop.dialled.length = 0;
    await laptop.statusLines(1);
    assert.ok(!laptop.dialled.includes("localhost:1"));
    laptop.move("10.1.2.3");
    await machine.until("a wake", () => laptop.wakes === 1);
    await laptop.statusLines(1);
    assert.ok(laptop.dialled.includes("localhost:1"));
  });
});
