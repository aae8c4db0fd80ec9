import assert from "node:assert/strict";
import { judgeHostileNames, MACHINE, urlOf } from "../../scripts/hostile/name_table.ts";
import { renderBlock } from "../../src/names/hosts/hosts_block.ts";
import { realSystem } from "../../src/system/system.ts";
import { FakeMachine } from "../fakes/fake_machine.ts";
import { statusLine, withDaemon } from "../fakes/with_daemon.ts";
import { FakeUpstream } from "../dns/fake_upstream.ts";
import { decode, replyTo } from "../dns/messages.ts";

const USER = "127.0.0.1 localhost\n";
const HOSTILE = [
  "http://evil.myapp\n6.6.6.6 bank.example",
  "http://evil.myapp\r\n6.6.6.6\tbank.example",
  "http://evil.myapp%0a6.6.6.6",
  "http://evil.myapp 6.6.6.6",
  "http://evil.myapp#",
  "http://# END ngrokd managed section",
  "http://../../etc/cron.d/evil",
  "http://sub/../../evil.myapp",
  "http://evil.myapp\u0000",
  "http://evil\u2028myapp",
  "http://evil\u202emyapp",
  "http://\u0435vil.myapp",
  "http://evil..myapp",
  "http://-evil.myapp",
  `http://${"e".repeat(64)}.myapp`,
  `http://${"e.".repeat(130)}myapp`,
  "http://6.6.6.6",
  "http://0x06060606",
  "http://[::1]",
  "http://$(touch evil).myapp",
  "http://*.*.evil.myapp",
  "http://evil.myapp:0",
  "http://evil.myapp:65536",
  "ftp://evil.myapp",
  "tcp://evil.myapp",
  "http://localhost:8381",
  "http://api.ngrok.com.localhost:8381",
  "http://ip6-loopback:8381",
];

/** Makes the API list these endpoints after its own. */
function alsoList(machine: FakeMachine, entries: readonly unknown[]): void {
  const { sendHttp } = realSystem();
  machine.override({
    async sendHttp(request) {
      const response = await sendHttp(request);
      if (!request.url.toString().includes("/bound_endpoints")) return response;
      const page = JSON.parse(response.body);
      return { ...response, body: JSON.stringify({ ...page, endpoints: [...page.endpoints, ...entries] }) };
    },
  });
}

Deno.test("runDaemon() refuses every invalid name, and no byte of one reaches the hosts file (F46)", async () => {
  await using machine = await FakeMachine.create();
  alsoList(machine, HOSTILE.map((url, index) => ({ id: `ep_evil${index}`, url })));
  await Deno.writeTextFile(machine.hostsPath, USER);
  machine.cloud.addEndpoint({ url: "http://good.myapp:8381", backend: "http" });
  await withDaemon(machine, async () => {
    const rows = await machine.settled(HOSTILE.length + 1);
    const refused = rows.filter((row) => row.state === "refused");
    assert.equal(refused.length, HOSTILE.length);
    for (const { reason, url } of refused) {
      assert.ok(reason !== "" && /^[^\p{Cc}\u2028-\u202e]*$/u.test(reason + url), url);
    }
    const good = rows.find((row) => row.state === "active")!;
    assert.match(await statusLine(good), / 200 /);
    assert.equal((await machine.askStatus()).endpoint_count, 1);
    const section = renderBlock(new Map([["good.myapp", good.ip]]));
    assert.equal(await Deno.readTextFile(machine.hostsPath), `${USER}\n${section}`);
    assert.doesNotMatch(machine.logText, /^6\.6\.6\.6/m);
    assert.equal(machine.logText.split("Refused ").length - 1, HOSTILE.length);
  });
  assert.equal(await Deno.readTextFile(machine.hostsPath), USER);
});

Deno.test("runDaemon() gives a name and port to the oldest endpoint, whatever spelling and order (F45)", async () => {
  await using machine = await FakeMachine.create();
  const { id } = machine.cloud.addEndpoint({ url: "http://a.x:8382", backend: "http" });
  // Younger endpoints of the same and of another kind, which the API lists in any order.
  const others = [
    { id: `${id}b`, url: "http://A.x:8382" },
    { id: `${id}c`, url: "http://a.x.:8382/" },
    { id: `${id}d`, url: "tcp://a.X:8382" },
    { id: `${id}e`, url: "tls://a.x:8382" },
  ];
  for (const entries of [others, [...others].reverse()]) {
    alsoList(machine, entries);
    await withDaemon(machine, async () => {
      const rows = new Map((await machine.settled(5)).map((row) => [row.id, row]));
      const states = [id, ...others.map((other) => other.id)].map((own) => rows.get(own)!.state);
      assert.deepEqual(states, ["active", "active", "active", "refused", "refused"]);
      for (const loser of ["d", "e"]) {
        assert.equal(
          rows.get(`${id}${loser}`)!.reason,
          `http://a.x:8382 (${id}) is older and has the same name and port`,
        );
      }
      for (const own of [id, `${id}b`, `${id}c`]) {
        assert.equal(rows.get(own)!.listen_address, rows.get(id)!.listen_address);
      }
      assert.match(await statusLine(rows.get(id)!), / 200 /);
      const hosts = await Deno.readTextFile(machine.hostsPath);
      assert.equal(hosts, renderBlock(new Map([["a.x", rows.get(id)!.ip]])));
    });
  }
});

Deno.test("runDaemon() refuses the names of this machine, of localhost and of the ingress (F67)", async () => {
  await using machine = await FakeMachine.create({
    ingress: "",
    system: { hostname: () => "MyLaptop.Home." },
  });
  const { cloud } = machine;
  cloud.switches.ingressEndpoint = "Ingress.Example.com:443";
  const reserved = new Map([
    ["mylaptop", /this machine/],
    ["mylaptop.home", /this machine/],
    ["localhost", /localhost/],
    ["a.localhost", /localhost/],
    ["ingress.example.com", /./],
    ["*.example.com", /./],
  ]);
  for (const name of [...reserved.keys(), "db.myapp"]) {
    cloud.addEndpoint({ url: `tcp://${name}:8341`, backend: "echo" });
  }
  await withDaemon(machine, async () => {
    const rows = await machine.settled(reserved.size + 1);
    for (const { hostname, url, state, reason } of rows) {
      const expected = [...reserved].find(([name]) => url === `tcp://${name}:8341`)?.[1];
      assert.equal(state, expected === undefined ? "active" : "refused", hostname);
      if (expected !== undefined) assert.match(reason, expected);
    }
    const hosts = await Deno.readTextFile(machine.hostsPath);
    assert.ok(hosts.includes("\tdb.myapp\n"));
    for (const name of reserved.keys()) assert.ok(!hosts.includes(`\t${name}`), name);
  });
});

Deno.test("runDaemon() refuses a reserved name in the last known endpoints before any poll", async () => {
  await using machine = await FakeMachine.create({ system: { hostname: () => "mylaptop" } });
  await machine.cloud.closeApi();
  const urls = ["tcp://mylaptop:8342", "tcp://db.myapp:8342"];
  const endpoints = urls.map((url, index) => ({ id: `ep_${index}`, url }));
  await Deno.writeTextFile(`${machine.etc}/endpoints.json`, JSON.stringify({ schema: 1, endpoints }));
  await withDaemon(machine, async () => {
    const rows = await machine.settled(2);
    const { state, reason } = rows.find(({ url }) => url === urls[0])!;
    assert.deepEqual([state, reason], ["refused", '"mylaptop" is the name of this machine']);
    const hosts = await Deno.readTextFile(machine.hostsPath);
    assert.ok(hosts.includes("\tdb.myapp\n") && !hosts.includes("mylaptop"));
  }, { ready: "answered" });
});

Deno.test("runDaemon() gives every hostile name the verdict and reason of the table in the docs", async () => {
  // Exists, does not exist (NXDOMAIN), or no answer.
  await using upstream = new FakeUpstream((request) => {
    const name = decode(request).questions[0]!.name.toLowerCase();
    if (MACHINE.silentNames.some((silent) => silent === name)) return [];
    const exists = MACHINE.publicNames.some((known) => known === name);
    return [replyTo(request, exists ? { addresses: ["192.0.2.1"] } : { rcode: 3 })];
  });
  const { files } = realSystem();
  await using machine = await FakeMachine.create({
    net: `deny_names: [${MACHINE.denied.map((name) => JSON.stringify(name)).join()}]`,
    dns: `upstream: ["${upstream.address}:${upstream.port}"]`,
    system: {
      hostname: () => MACHINE.hostname,
      files: {
        ...files,
        readTextIfAny: (path) =>
          path === "/etc/resolv.conf" ? Promise.resolve(MACHINE.resolvConf) : files.readTextIfAny(path),
      },
    },
  });
  machine.environment.HTTPS_PROXY = `http://${MACHINE.proxyHost}:3128`;
  await Deno.writeTextFile(machine.hostsPath, MACHINE.hosts);
  const judged = await judgeHostileNames();
  const endpoints = judged.map(({ name }, index) => ({ id: `ep_hostile${index}`, url: urlOf(name) }));
  alsoList(machine, endpoints);
  await withDaemon(machine, async () => {
    await machine.until("all answers of the DNS", async () => {
      const rows = await machine.askList();
      return rows.some(({ reason }) => reason.includes("shadows a public name")) &&
        rows.some(({ url, state }) => url === urlOf("*.private.bank.com") && state === "active");
    });
    const rows = new Map((await machine.askList()).map((row) => [row.id, row]));
    for (const [index, { name, verdict, reason }] of judged.entries()) {
      const row = rows.get(`ep_hostile${index}`)!;
      assert.equal(row.state, verdict === "refused" ? "refused" : "active", name);
      if (name.startsWith("*.") && verdict === "served") continue;
      assert.equal(row.reason, reason.replace("/etc/hosts", machine.hostsPath), name);
    }
    const served = judged.filter(({ name, verdict }) => verdict !== "refused" && !name.startsWith("*."));
    const section = new Map(
      served.map((
        { name },
      ) => [name, rows.get(`ep_hostile${judged.findIndex((one) => one.name === name)}`)!.ip]),
    );
    assert.equal(await Deno.readTextFile(machine.hostsPath), `${MACHINE.hosts}\n${renderBlock(section)}`);
  });
});

Deno.test("runDaemon() follows lines of the user, net.allow_names and net.deny_names while it runs", async () => {
  await using machine = await FakeMachine.create();
  await Deno.writeTextFile(machine.hostsPath, USER);
  for (const name of ["db", "nas.home"]) {
    machine.cloud.addEndpoint({ url: `tcp://${name}:8385`, backend: "echo" });
  }
  /** Waits until exactly these endpoints are served, and have lines in ngrokd's section. */
  const until = (names: readonly string[]) =>
    machine.until(`${names.join()} served`, async () => {
      const rows = await machine.askList();
      const active = rows.filter(({ state }) => state === "active").map(({ hostname }) => hostname).sort();
      const [, section = ""] = (await Deno.readTextFile(machine.hostsPath)).split("# BEGIN ngrokd");
      const published = ["db", "nas.home"].filter((name) => section.includes(`\t${name}\n`));
      return [active.join(), published.join()].every((text) => text === names.join());
    });
  await withDaemon(machine, async () => {
    await until(["nas.home"]);
    await machine.reloadWith("net:", "net:\n  allow_names: [db]");
    await until(["db", "nas.home"]);
    await Deno.writeTextFile(
      machine.hostsPath,
      `192.0.2.9 nas.home\n${await Deno.readTextFile(machine.hostsPath)}`,
    );
    await until(["db"]);
    const hosts = await Deno.readTextFile(machine.hostsPath);
    assert.equal(hosts.split("nas.home").length, 2, hosts);
    await machine.reloadWith("allow_names: [db]", 'allow_names: [db, "*.home"]\n  deny_names: [db]');
    await until(["nas.home"]);
  });
});
