// Run by network_mode_test.ts on an /etc and /run of its own: the machine that shares endpoints, and a neighbour that asks it by DNS.
import assert from "node:assert/strict";
import { Stage } from "../../sim/stage.ts";
import type { StatusReport } from "../../src/model/report.ts";
import { FakeUpstream } from "../dns/fake_upstream.ts";
import { replyTo } from "../dns/messages.ts";
import { machineState, say, shell } from "./commands.ts";
import { Neighbour } from "./neighbour.ts";

const HERE = "192.168.77.1";
/** What its address changes to. */
const NEW = "192.168.77.9";
const THERE = "192.168.77.2";
/** Of no private network, so that `allow_cidrs` leaves it out. */
const OUTSIDE = "203.0.113.2";
/** What stands in resolv.conf on this machine. */
const PROVIDER = "# of the provider\nnameserver 192.0.2.53\noptions timeout:1\n";
const CURL = ["curl", "-sS", "--max-time", "5"];
const DIG = ["dig", "+time=4", "+tries=1"];

/** What an HTTP request by `nc` brings, with these arguments. */
async function fetched(neighbour: Neighbour, args: readonly string[]): Promise<string> {
  return (await neighbour.run(["nc", "-N", "-w", "5", ...args], "GET / HTTP/1.0\r\n\r\n")).stdout;
}

async function reload(stage: Stage, text: string): Promise<void> {
  await Deno.writeTextFile(stage.configPath, text);
  Deno.kill(stage.pid, "SIGHUP");
}

/** Says nothing about the name `silent`. */
function answers(request: Uint8Array): Uint8Array<ArrayBuffer>[] {
  const isSilent = new TextDecoder().decode(request).includes("silent");
  return isSilent ? [] : [replyTo(request, { addresses: ["192.0.2.1"] })];
}

/** A daemon in network mode, and its neighbour. */
class Lan implements AsyncDisposable {
  readonly #open = new AsyncDisposableStack();
  readonly stage: Stage;
  readonly neighbour: Neighbour;
  readonly upstream: FakeUpstream;
  readonly tcpId: string;

  constructor(parts: { stage: Stage; neighbour: Neighbour; upstream: FakeUpstream }) {
    ({ stage: this.stage, neighbour: this.neighbour, upstream: this.upstream } = parts);
    this.#open.use(this.upstream);
    this.#open.use(this.neighbour);
    this.#open.use(this.stage);
    const { cloud } = this.stage;
    cloud.addEndpoint({ url: "tls://a.example.com:443", backend: "tls" });
    cloud.addEndpoint({ url: "http://b.example.com", backend: "http" });
    cloud.addEndpoint({ url: "http://app.example.com:3000", backend: "http" });
    cloud.addEndpoint({ url: "tls://*.apps.example.com:443", backend: "tls" });
    cloud.addEndpoint({ url: "http://here.example.com:8001", backend: "http" });
    cloud.addEndpoint({ url: "http://wire.example.com:8002", backend: "http" });
    this.tcpId = cloud.addEndpoint({ url: "tcp://db.example.com:5432", backend: "tcp" }).id;
  }

  static async open(net = ""): Promise<Lan> {
    const upstream = new FakeUpstream(answers);
    const neighbour = await Neighbour.open({
      ours: `${HERE}/24`,
      theirs: [`${THERE}/24`, `${OUTSIDE}/24`],
    });
    await shell(`/sbin/ip route add ${OUTSIDE} dev lan0`);
    const sections = [
      "bound_endpoints: {poll_interval: 1}",
      "net:",
      "  listen_interface: 0.0.0.0",
      "  overrides: {here.example.com: virtual, door.example.com: virtual, wire.example.com: lan0}",
      net,
    ];
    const stage = await Stage.open({
      shipped: true,
      dns: `upstream: ["127.0.0.1:${upstream.port}"]`,
      sections: sections.join("\n"),
    });
    return new Lan({ stage, neighbour, upstream });
  }

  /** Has curl trust the certificates of the endpoints. */
  get trust(): readonly string[] {
    return ["--cacert", this.#caPath];
  }

  get #caPath(): string {
    return `${this.stage.directory}/ca.pem`;
  }

  /** The daemon serves all, and the neighbour may ask for it. */
  async start(dns: StatusReport["dns"]["state"] = "ok"): Promise<void> {
    // The neighbour has an /etc of its own.
    await Deno.writeTextFile(this.#caPath, this.stage.cloud.caPem);
    this.stage.startDaemon();
    await this.stage.until("all are served", async () => {
      const rows = await this.stage.askList();
      return rows.length === 7 && rows.every(({ state }) => state === "active");
    });
    await this.becomes(dns);
  }

  async becomes(state: StatusReport["dns"]["state"]): Promise<void> {
    await this.stage.until(`DNS is ${state}`, async () => (await this.dns()).state === state);
  }

  async dns(): Promise<StatusReport["dns"]> {
    return (await this.stage.askStatus()).dns;
  }

  /** What the neighbour gets for a URL. */
  curl(...args: readonly string[]): Promise<string> {
    return this.neighbour.succeeds([...CURL, ...this.trust, ...args]);
  }

  /** The addresses of a name, as the neighbour hears them. */
  async dig(...args: readonly string[]): Promise<string> {
    return (await this.neighbour.succeeds([...DIG, "+short", ...args])).trim();
  }

  /** Waits until a name has this address for the neighbour. */
  async moves(name: string, address: string): Promise<void> {
    await this.stage.until(`${name} is ${address}`, async () => await this.dig("+time=1", name) === address);
  }

  /** Whether every kind of endpoint answers the neighbour by its name. */
  async everyKindAnswers(): Promise<void> {
    const names = ["a.example.com", "one.apps.example.com", "x.y.apps.example.com"];
    const texts = await Promise.all([
      ...names.map((name) => this.curl(`https://${name}/`)),
      this.curl("http://b.example.com/"),
      this.curl("http://app.example.com:3000/"),
      this.curl("http://wire.example.com:8002/"),
      this.neighbour.succeeds(["nc", "-N", "-w", "5", "db.example.com", "5432"], "there and back\n"),
    ]);
    const wanted = [
      ...names,
      "b.example.com",
      "app.example.com:3000",
      "wire.example.com:8002",
      "there and back",
    ];
    for (const [index, text] of wanted.entries()) assert.ok(texts[index]!.includes(text), texts[index]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#open[Symbol.asyncDispose]();
  }
}

Deno.test("a neighbour reaches every kind of endpoint by its name, and nothing that it may not", async () => {
  await using lan = await Lan.open();
  const { stage, neighbour, upstream } = lan;
  await lan.start();
  await neighbour.asks(HERE);
  const unanswered = neighbour.run(["dig", "+time=9", "+tries=1", `@${HERE}`, "silent.example.org"]);
  await lan.everyKindAnswers();

  // A port of its own takes any Host; a shared one does not, nor any other name.
  assert.match(await lan.curl(`http://${HERE}:9080/`, "--header", "Host: any"), /app\.example\.com/);
  const refused = await lan.curl(`http://${HERE}/`, "--header", "Host: nobody.example.com", "--include");
  assert.match(refused, /^HTTP\/1\.1 421 /);
  const stranger = ["--resolve", `no.example.com:443:${HERE}`, "https://no.example.com/"];
  const alert = await neighbour.run([...CURL, ...lan.trust, ...stranger]);
  assert.match(alert.stderr, /unrecognized name/);
  assert.equal(await lan.dig("apps.example.com"), "192.0.2.1", "asked of the upstream");
  assert.ok(upstream.requests.length > 0);

  // Virtual stays virtual, whatever the neighbour routes here.
  await neighbour.succeeds(["/sbin/ip", "route", "add", "10.107.0.0/16", "via", HERE]);
  assert.equal(await lan.dig("here.example.com"), "192.0.2.1", "asked of the upstream");
  const { stdout: here } = await say([...DIG, "+short", `@${HERE}`, "here.example.com"]);
  assert.equal(here, "10.107.0.2\n");
  assert.equal(await fetched(neighbour, ["10.107.0.2", "8001"]), "");

  // Another network gets no byte, and no datagram.
  for (const port of ["80", "443", "3000", "5432", "8002", "9080"]) {
    assert.equal(await fetched(neighbour, ["-s", OUTSIDE, HERE, port]), "", port);
  }
  assert.match(await fetched(neighbour, ["-s", THERE, HERE, "9080"]), /^HTTP/);
  const silent = await neighbour.run([...DIG, "+time=1", "-b", OUTSIDE, `@${HERE}`, "b.example.com"]);
  assert.match(silent.stdout, /timed out|no servers could be reached/);
  const closed = await neighbour.run([...DIG, "+tcp", "-b", OUTSIDE, `@${HERE}`, "b.example.com"]);
  assert.doesNotMatch(closed.stdout, /ANSWER SECTION/);

  const text = await Deno.readTextFile(stage.configPath);
  await reload(stage, text.replace("net:\n", "net:\n  advertise_ip: 198.51.100.7\n"));
  await lan.moves("b.example.com", "198.51.100.7");
  await reload(stage, text.replace("net:\n", `net:\n  allow_cidrs: [${OUTSIDE}]\n`));
  await stage.until(
    "the other network is served",
    async () => /^HTTP/.test(await fetched(neighbour, ["-s", OUTSIDE, HERE, "9080"])),
  );
  assert.equal(await lan.dig("-b", OUTSIDE, `@${HERE}`, "b.example.com"), HERE);
  assert.equal(await fetched(neighbour, [HERE, "9080"]), "");
  assert.match((await unanswered).stdout, /status: SERVFAIL/);
});

Deno.test("a virtual endpoint beside a shared listener of the same port serves this machine, and the shared one the neighbour", async () => {
  await using lan = await Lan.open();
  const { stage, neighbour } = lan;
  await lan.start();
  await neighbour.asks(HERE);
  stage.cloud.addEndpoint({ url: "http://door.example.com", backend: "http" });
  await stage.until("the door is served", async () => {
    const door = (await stage.askList()).find(({ hostname }) => hostname === "door.example.com");
    return door?.state === "active";
  });
  const door = (await stage.askList()).find(({ hostname }) => hostname === "door.example.com")!;
  assert.match(door.listen_address, /^10\.107\.[0-9]+\.[0-9]+:80$/);

  // This machine, by the address alone: a virtual address belongs to one name.
  const { stdout: own } = await say([...CURL, `http://${door.ip}/`]);
  assert.match(own, /door\.example\.com/);
  const { stdout: shared } = await say([...CURL, "--header", "Host: b.example.com", `http://${HERE}/`]);
  assert.match(shared, /b\.example\.com/);

  await lan.everyKindAnswers();
  assert.equal(await lan.dig("door.example.com"), "192.0.2.1", "asked of the upstream");
  const asked = await lan.curl(`http://${HERE}/`, "--header", "Host: door.example.com", "--include");
  assert.match(asked, /^HTTP\/1\.1 421 /);
  await neighbour.succeeds(["/sbin/ip", "route", "add", "10.107.0.0/16", "via", HERE]);
  assert.equal(await fetched(neighbour, [door.ip, "80"]), "");
});

Deno.test("a held port 53 costs that address alone, and names follow the address of this machine", async () => {
  await using lan = await Lan.open();
  const { neighbour } = lan;
  const holder = Deno.listenDatagram({ transport: "udp", hostname: HERE, port: 53 });
  try {
    await lan.start("degraded");
    const [held] = (await lan.dns()).addresses.filter(({ error }) => error !== null);
    assert.deepEqual(held, {
      address: `${HERE}:53`,
      error: `Cannot bind ${HERE}:53: address is in use`,
    });
    assert.match(
      await lan.curl("--resolve", `b.example.com:80:${HERE}`, "http://b.example.com"),
      /b\.example/,
    );
  } finally {
    holder.close();
  }
  await neighbour.asks(HERE);
  await lan.becomes("ok");
  await lan.everyKindAnswers();

  await shell(`/sbin/ip address del ${HERE}/24 dev lan0; /sbin/ip address add ${NEW}/24 dev lan0`);
  await neighbour.asks(NEW);
  await lan.moves("wire.example.com", NEW);
  await lan.everyKindAnswers();
  assert.equal(await lan.dig("b.example.com"), NEW);

  await shell("/sbin/ip link set lan0 down");
  await shell("/sbin/ip link set lan0 up");
  await lan.moves("wire.example.com", NEW);
  await lan.everyKindAnswers();
});

/** Whether the name below the wildcard is found, and which way `status` and `list` tell. */
async function wildcardWorks(stage: Stage): Promise<void> {
  const { stdout: answer } = await say([...DIG, "+short", "@10.107.0.1", "x.apps.example.com"]);
  assert.equal(answer, "10.107.0.3\n");
  assert.match((await say(["getent", "hosts", "x.y.apps.example.com"])).stdout, /^10\.107\.0\.3 /);
  assert.match((await say([...CURL, "http://x.apps.example.com/"])).stdout, /x\.apps\.example\.com/);
  const row = (await stage.askList()).find(({ wildcard }) => wildcard);
  assert.equal(row!.reason, "by any name below it: curl http://name.apps.example.com/");
  assert.match(
    (await stage.ctl(["status"])).stdout,
    /DNS: +ok, 2 names on 10\.107\.0\.1:53\n +Resolver: +\/etc\/resolv\.conf \(.*names 192\.0\.2\.53 first\)\n/,
  );
}

Deno.test("from virtual to network mode and back names move with it, and nothing is left at the end", async () => {
  const net = "net: {listen_interface: virtual}";
  const sections = `bound_endpoints: {poll_interval: 1}\n${net}`;
  await using stage = await Stage.open({ shipped: true, sections });
  await Deno.writeTextFile("/etc/resolv.conf", PROVIDER);
  const before = await machineState();
  stage.cloud.addEndpoint({ url: "http://b.example.com", backend: "http" });
  const virtual = await Deno.readTextFile(stage.configPath);
  const network = virtual.replace(net, "net: {listen_interface: 0.0.0.0}");
  const managed = virtual.replace("dns:\n", "dns:\n  manage_resolv_conf: true\n");
  const resolved = async () => (await say(["getent", "hosts", "b.example.com"])).stdout.split(" ")[0];
  const inHosts = () =>
    stage.until("the hosts file has the name", async () => await resolved() === "10.107.0.2");
  const asks = () =>
    stage.until(
      "this machine asks us",
      async () => (await stage.askStatus()).dns.resolver.driver === "resolv_conf",
    );

  stage.startDaemon();
  await inHosts();
  assert.equal((await stage.askStatus()).dns.state, "off");
  assert.equal((await machineState()).resolver, before.resolver);

  await reload(stage, network);
  await asks();
  await stage.until("the hosts file is free", async () => (await machineState()).hosts === before.hosts);
  assert.equal(await resolved(), "10.107.0.1");
  assert.match((await say([...CURL, "http://b.example.com/"])).stdout, /b\.example\.com/);
  const text = await Deno.readTextFile("/etc/resolv.conf");
  assert.equal(text, `# ngrokd managed - do not edit this line\nnameserver 10.107.0.1\n${PROVIDER}`);

  await reload(stage, virtual);
  await inHosts();
  await stage.until("DNS is off", async () => (await stage.askStatus()).dns.state === "off");
  assert.equal((await machineState()).resolver, before.resolver);

  await reload(stage, managed);
  stage.cloud.addEndpoint({ url: "http://*.apps.example.com", backend: "http" });
  await asks();
  await wildcardWorks(stage);
  // The task and the daemon itself.
  Deno.kill(-stage.pid, "SIGKILL");
  await stage.daemonEnded;
  assert.notEqual((await machineState()).resolver, before.resolver);
  const cleanup = await say([Deno.execPath(), "task", "--quiet", "ngrokd", "cleanup"]);
  assert.equal(cleanup.code, 0, cleanup.stdout + cleanup.stderr);
  assert.deepEqual(await machineState(), before);

  stage.startDaemon();
  await asks();
  assert.equal(await stage.stopDaemon(), 0);
  assert.deepEqual(await machineState(), before);
});
