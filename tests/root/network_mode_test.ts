import assert from "node:assert/strict";
import { Stage } from "../../sim/stage.ts";
import type { StatusReport } from "../../src/model/report.ts";
import { FakeUpstream, replyUnlessSilent } from "../dns/fake_upstream.ts";
import { machineState, runProgram, shell } from "./commands.ts";
import { Neighbour } from "./neighbour.ts";
import { rootTests } from "./test_root.ts";

/** An address outside private networks, which `allow_cidrs` refuses by default. */
const OUTSIDE = "203.0.113.2";
/** The resolv.conf of this machine. */
const PROVIDER = "# of the provider\nnameserver 192.0.2.53\noptions timeout:1\n";
const CURL = ["curl", "-sS", "--max-time", "5"];
const DIG = ["dig", "+time=4", "+tries=1"];

const test = rootTests(import.meta.url, { etc: true });

/** A daemon in network mode, and a neighbour that reaches it by DNS. */
class SharedDaemon implements AsyncDisposable {
  readonly #resources = new AsyncDisposableStack();
  readonly stage: Stage;
  readonly neighbour: Neighbour;
  readonly upstream: FakeUpstream;

  constructor(parts: { stage: Stage; neighbour: Neighbour; upstream: FakeUpstream }) {
    ({ stage: this.stage, neighbour: this.neighbour, upstream: this.upstream } = parts);
    for (const part of [this.upstream, this.neighbour, this.stage]) this.#resources.use(part);
  }

  static async open(): Promise<SharedDaemon> {
    const upstream = new FakeUpstream(replyUnlessSilent);
    const neighbour = await Neighbour.open({ addresses: [`${OUTSIDE}/24`] });
    const { link } = neighbour.lan;
    await shell(`/sbin/ip route add ${OUTSIDE} dev ${link}`);
    const stage = await Stage.open({
      shipped: true,
      pollSeconds: 1,
      dns: `upstream: ["127.0.0.1:${upstream.port}"]`,
      net: [
        "listen_interface: 0.0.0.0",
        `overrides: {here.example.com: virtual, door.example.com: virtual, wire.example.com: ${link}}`,
      ].join("\n"),
    });
    for (
      const [url, backend] of [
        ["tls://a.example.com:443", "tls"],
        ["http://b.example.com", "http"],
        ["http://app.example.com:3000", "http"],
        ["tls://*.apps.example.com:443", "tls"],
        ["http://here.example.com:8001", "http"],
        ["http://wire.example.com:8002", "http"],
        ["tcp://db.example.com:5432", "tcp"],
      ] as const
    ) stage.cloud.addEndpoint({ url, backend });
    return new SharedDaemon({ stage, neighbour, upstream });
  }

  /** The address of this machine for the neighbour. */
  get address(): string {
    return this.neighbour.lan.address(1);
  }

  /** Arguments of curl that make it trust the certificates of the endpoints. */
  get trust(): readonly string[] {
    return ["--cacert", `${this.stage.directory}/ca.pem`];
  }

  /** Starts the daemon and waits until all endpoints are active and DNS is in this state. */
  async start(dns: StatusReport["dns"]["state"] = "ok"): Promise<void> {
    const { stage } = this;
    // The neighbour has its own /etc, but the same temporary directories.
    await Deno.writeTextFile(`${stage.directory}/ca.pem`, stage.cloud.caPem);
    stage.startDaemon();
    await stage.until("all are active", async () => {
      const rows = await stage.askList();
      return rows.length === 7 && rows.every(({ state }) => state === "active");
    });
    await this.untilDns(dns);
  }

  async untilDns(state: StatusReport["dns"]["state"]): Promise<void> {
    await this.stage.until(`DNS is ${state}`, async () => (await this.stage.askStatus()).dns.state === state);
  }

  /** Runs curl on the neighbour and returns the body. */
  curl(...args: readonly string[]): Promise<string> {
    return this.neighbour.succeeds([...CURL, ...this.trust, ...args]);
  }

  /**
   * Sends an HTTP request with `nc` on the neighbour and returns the answer, or "" if there is
   * none.
   */
  async nc(...args: readonly string[]): Promise<string> {
    return (await this.neighbour.run(["nc", "-N", "-w", "5", ...args], "GET / HTTP/1.0\r\n\r\n")).stdout;
  }

  /** Resolves a name on the neighbour. */
  async dig(...args: readonly string[]): Promise<string> {
    return (await this.neighbour.succeeds([...DIG, "+short", ...args])).trim();
  }

  /** Waits until a name has this address for the neighbour. */
  async untilResolves(name: string, address: string): Promise<void> {
    await this.stage.until(`${name} is ${address}`, async () => await this.dig("+time=1", name) === address);
  }

  /** Demands that every kind of endpoint answers the neighbour by its name. */
  async assertServesAll(): Promise<void> {
    const urls = [
      "https://a.example.com",
      "https://one.apps.example.com",
      "https://x.y.apps.example.com",
      "http://b.example.com",
      "http://app.example.com:3000",
      "http://wire.example.com:8002",
    ];
    await Promise.all(urls.map(async (url) => {
      const { host } = new URL(url);
      assert.ok((await this.curl(`${url}/`)).includes(host), url);
    }));
    const nc = ["nc", "-N", "-w", "5", "db.example.com", "5432"];
    assert.match(await this.neighbour.succeeds(nc, "there and back\n"), /there and back/);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#resources[Symbol.asyncDispose]();
  }
}

async function reload(stage: Stage, text: string): Promise<void> {
  await Deno.writeTextFile(stage.configPath, text);
  Deno.kill(stage.pid, "SIGHUP");
}

async function resolverDriver(stage: Stage): Promise<string> {
  return (await stage.askStatus()).dns.resolver.driver;
}

test("a neighbour reaches every kind of endpoint by its name, and nothing else", async () => {
  await using daemon = await SharedDaemon.open();
  const { stage, neighbour, upstream, address } = daemon;
  const theirs = neighbour.lan.address(2);
  await daemon.start();
  await neighbour.useNameServers(address);
  const unanswered = neighbour.run(["dig", "+time=9", "+tries=1", `@${address}`, "silent.example.org"]);
  await daemon.assertServesAll();

  // A port of one endpoint accepts IP addresses too, but no other name. A shared listener accepts
  // only its names.
  assert.match(await daemon.curl(`http://${address}:9080/`), /app\.example\.com/);
  const rebound = await daemon.curl(`http://${address}:9080/`, "--header", "Host: any", "--include");
  assert.match(rebound, /^HTTP\/1\.1 421 /);
  const refused = await daemon.curl(
    `http://${address}/`,
    "--header",
    "Host: nobody.example.com",
    "--include",
  );
  assert.match(refused, /^HTTP\/1\.1 421 /);
  const stranger = ["--resolve", `no.example.com:443:${address}`, "https://no.example.com/"];
  const alert = await neighbour.run([...CURL, ...daemon.trust, ...stranger]);
  assert.match(alert.stderr, /unrecognized name/);
  assert.equal(await daemon.dig("apps.example.com"), "192.0.2.1", "the upstream DNS server answers");
  assert.ok(upstream.requests.length > 0);

  // A virtual endpoint stays out of reach even if the neighbour routes its subnet here.
  await neighbour.succeeds(["/sbin/ip", "route", "add", "10.107.0.0/16", "via", address]);
  assert.equal(await daemon.dig("here.example.com"), "192.0.2.1", "the upstream DNS server answers");
  const { stdout: here } = await runProgram([...DIG, "+short", `@${address}`, "here.example.com"]);
  const { ip } = (await stage.askList()).find(({ hostname }) => hostname === "here.example.com")!;
  assert.equal(here, `${ip}\n`);
  assert.equal(await daemon.nc(ip, "8001"), "");

  // A client of another network gets no byte and no datagram.
  for (const port of ["80", "443", "3000", "5432", "8002", "9080"]) {
    assert.equal(await daemon.nc("-s", OUTSIDE, address, port), "", port);
  }
  assert.match(await daemon.nc("-s", theirs, address, "9080"), /^HTTP/);
  const silent = await neighbour.run([...DIG, "+time=1", "-b", OUTSIDE, `@${address}`, "b.example.com"]);
  assert.match(silent.stdout, /timed out|no servers could be reached/);
  const closed = await neighbour.run([...DIG, "+tcp", "-b", OUTSIDE, `@${address}`, "b.example.com"]);
  assert.doesNotMatch(closed.stdout, /ANSWER SECTION/);

  const text = await Deno.readTextFile(stage.configPath);
  await reload(stage, text.replace("net:\n", "net:\n  advertise_ip: 198.51.100.7\n"));
  await daemon.untilResolves("b.example.com", "198.51.100.7");
  await reload(stage, text.replace("net:\n", `net:\n  allow_cidrs: [${OUTSIDE}]\n`));
  await stage.until(
    "the other network is served",
    async () => /^HTTP/.test(await daemon.nc("-s", OUTSIDE, address, "9080")),
  );
  assert.equal(await daemon.dig("-b", OUTSIDE, `@${address}`, "b.example.com"), address);
  assert.equal(await daemon.nc(address, "9080"), "");
  assert.match((await unanswered).stdout, /status: SERVFAIL/);
});

test("a virtual endpoint beside a shared listener serves only this machine", async () => {
  await using daemon = await SharedDaemon.open();
  const { stage, neighbour, address } = daemon;
  await daemon.start();
  await neighbour.useNameServers(address);
  stage.cloud.addEndpoint({ url: "http://door.example.com", backend: "http" });
  const findDoor = async () =>
    (await stage.askList()).find(({ hostname }) => hostname === "door.example.com");
  await stage.until("the endpoint is active", async () => (await findDoor())?.state === "active");
  const door = (await findDoor())!;
  assert.match(door.listen_address, /^10\.107\.[0-9]+\.[0-9]+:80$/);

  // A virtual address belongs to one name, so it needs no Host.
  const { stdout: own } = await runProgram([...CURL, `http://${door.ip}/`]);
  assert.match(own, /door\.example\.com/);
  const { stdout: shared } = await runProgram([
    ...CURL,
    "--header",
    "Host: b.example.com",
    `http://${address}/`,
  ]);
  assert.match(shared, /b\.example\.com/);

  await daemon.assertServesAll();
  assert.equal(await daemon.dig("door.example.com"), "192.0.2.1", "the upstream DNS server answers");
  const refused = await daemon.curl(
    `http://${address}/`,
    "--header",
    "Host: door.example.com",
    "--include",
  );
  assert.match(refused, /^HTTP\/1\.1 421 /);
  await neighbour.succeeds(["/sbin/ip", "route", "add", "10.107.0.0/16", "via", address]);
  assert.equal(await daemon.nc(door.ip, "80"), "");
});

test("a port 53 in use costs only that address, and names follow a new address (F53, F54)", async () => {
  await using daemon = await SharedDaemon.open();
  const { neighbour, address } = daemon;
  const { link } = neighbour.lan;
  const next = neighbour.lan.address(9);
  const holder = Deno.listenDatagram({ transport: "udp", hostname: address, port: 53 });
  try {
    await daemon.start("degraded");
    const [held] = (await daemon.stage.askStatus()).dns.addresses.filter(({ error }) => error !== null);
    assert.deepEqual(held, {
      address: `${address}:53`,
      error: `Cannot bind ${address}:53: address is in use`,
    });
    assert.match(
      await daemon.curl("--resolve", `b.example.com:80:${address}`, "http://b.example.com"),
      /b\.example/,
    );
  } finally {
    holder.close();
  }
  await neighbour.useNameServers(address);
  await daemon.untilDns("ok");
  await daemon.assertServesAll();

  await shell(
    `/sbin/ip address del ${address}/24 dev ${link}; /sbin/ip address add ${next}/24 dev ${link}`,
  );
  await neighbour.useNameServers(next);
  await daemon.untilResolves("wire.example.com", next);
  await daemon.assertServesAll();
  assert.equal(await daemon.dig("b.example.com"), next);

  await shell(`/sbin/ip link set ${link} down`);
  await shell(`/sbin/ip link set ${link} up`);
  await daemon.untilResolves("wire.example.com", next);
  await daemon.assertServesAll();
});

/** Demands that names below the wildcard resolve, and that status and list show how. */
async function assertWildcardResolves(stage: Stage): Promise<void> {
  const row = (await stage.askList()).find(({ wildcard }) => wildcard)!;
  const { stdout: answer } = await runProgram([...DIG, "+short", "@10.107.0.1", "x.apps.example.com"]);
  assert.equal(answer, `${row.ip}\n`);
  const { stdout: entry } = await runProgram(["getent", "hosts", "x.y.apps.example.com"]);
  assert.equal(entry.split(" ")[0], row.ip);
  assert.match((await runProgram([...CURL, "http://x.apps.example.com/"])).stdout, /x\.apps\.example\.com/);
  assert.equal(row.reason, "use any name below it: curl http://name.apps.example.com/");
  assert.match(
    (await stage.ctl(["status"])).stdout,
    /DNS: +ok, 2 names on 10\.107\.0\.1:53\n +Resolver: +\/etc\/resolv\.conf \(.*names 192\.0\.2\.53 first\)\n/,
  );
}

test("names follow the mode in hosts file and DNS, wildcards too, and nothing is left (R98, R99)", async () => {
  const net = "net: {listen_interface: virtual}";
  await using stage = await Stage.open({ shipped: true, pollSeconds: 1, sections: net });
  await Deno.writeTextFile("/etc/resolv.conf", PROVIDER);
  const before = await machineState();
  stage.cloud.addEndpoint({ url: "http://b.example.com", backend: "http" });
  const virtual = await Deno.readTextFile(stage.configPath);
  const network = virtual.replace(net, "net: {listen_interface: 0.0.0.0}");
  const resolved = async () => (await runProgram(["getent", "hosts", "b.example.com"])).stdout.split(" ")[0];
  const untilInHosts = () =>
    stage.until("the hosts file has the name", async () => {
      const [row] = await stage.askList();
      return /^10\.107\./.test(row?.ip ?? "") && await resolved() === row!.ip;
    });
  const untilInDns = () =>
    stage.until("this machine asks ngrokd", async () => await resolverDriver(stage) === "resolv_conf");

  stage.startDaemon();
  await untilInHosts();
  assert.equal((await stage.askStatus()).dns.state, "off");
  assert.equal((await machineState()).resolver, before.resolver);

  await reload(stage, network);
  await untilInDns();
  await stage.until("the hosts file has the name", async () => await resolved() === "127.0.0.1");
  assert.match((await runProgram([...CURL, "http://b.example.com/"])).stdout, /b\.example\.com/);
  const text = await Deno.readTextFile("/etc/resolv.conf");
  assert.equal(text, `# ngrokd managed - do not edit this line\nnameserver 10.107.0.1\n${PROVIDER}`);

  await reload(stage, virtual);
  await untilInHosts();
  await stage.until("DNS is off", async () => (await stage.askStatus()).dns.state === "off");
  assert.equal((await machineState()).resolver, before.resolver);

  stage.cloud.addEndpoint({ url: "http://*.apps.example.com", backend: "http" });
  await untilInDns();
  await stage.active(2);
  await assertWildcardResolves(stage);
  // Both the task and the daemon are killed.
  Deno.kill(-stage.pid, "SIGKILL");
  await stage.daemonEnded;
  assert.notEqual((await machineState()).resolver, before.resolver);
  const cleanup = await runProgram([Deno.execPath(), "task", "--quiet", "ngrokd", "cleanup"]);
  assert.equal(cleanup.code, 0, cleanup.stdout + cleanup.stderr);
  assert.deepEqual(await machineState(), before);

  stage.startDaemon();
  await untilInDns();
  assert.equal(await stage.stopDaemon(), 0);
  assert.deepEqual(await machineState(), before);
});
