import assert from "node:assert/strict";
import { Stage } from "../../sim/stage.ts";
import { FakeUpstream } from "../dns/fake_upstream.ts";
import { decode, replyTo } from "../dns/messages.ts";
import { runProgram, shell } from "../root/commands.ts";
import { rootTests } from "../root/test_root.ts";

const test = rootTests(import.meta.url, { etc: true });

const HOSTS = "127.0.0.1 localhost\n192.0.2.7 nas.office.test\n";
/** The address of everything that exists in the public DNS. */
const PUBLIC = "192.0.2.1";
const PUBLIC_NAMES = ["bank.com", "www.bank.com", "shop.bank.co.uk", "bank.co.uk"];
/** A name about which no DNS server answers. */
const SILENT = "www.silent.com";
/** The attacked names, each with the address that it must have: the public one, or none. */
const VICTIMS: Readonly<Record<string, string>> = {
  "www.bank.com": PUBLIC,
  "shop.bank.co.uk": PUBLIC,
  "nas.office.test": "192.0.2.7",
  "wpad.office.test": "",
  "wpad.good.test": "",
  "_ldap.good.test": "",
  "metadata.google.internal": "",
  "attacked": "",
};

/** Returns the addresses that an ordinary user of this machine gets for a name. */
async function addressesOf(name: string): Promise<string> {
  const nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
  const { stdout } = await runProgram([...nobody, "getent", "ahostsv4", name]);
  return [...new Set(stdout.split("\n").map((line) => line.split(" ")[0]))].join(" ").trim();
}

async function openVictim(net: string): Promise<{ upstream: FakeUpstream; stage: Stage }> {
  const upstream = new FakeUpstream((request) => {
    const name = decode(request).questions[0]!.name.toLowerCase();
    if (name === SILENT) return [];
    return [replyTo(request, PUBLIC_NAMES.includes(name) ? { addresses: [PUBLIC] } : { rcode: 3 })];
  }, { port: 53 });
  await Deno.writeTextFile("/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n");
  // The name of this machine is not in question here, and its DNS entry would be slow.
  await shell("hostname attacked");
  const stage = await Stage.open({ shipped: true, pollSeconds: 1, net, dns: "manage_resolv_conf: true" });
  await Deno.writeTextFile("/etc/hosts", HOSTS);
  return { upstream, stage };
}

/** Public names that an account cannot take, besides wildcards: by default, and under `refuse`. */
const POLICIES: Readonly<Record<string, { readonly net: string; readonly names: readonly string[] }>> = {
  "wildcard": { net: "", names: [] },
  "name under refuse": { net: "shadow_public: refuse", names: ["www.bank.com", SILENT] },
};

// Endpoints with these names were published, and a name with a line of the user had both addresses.
for (const [victim, { net, names }] of Object.entries(POLICIES)) {
  test(`an account takes no name in use here, and no public ${victim} (R56)`, async () => {
    const { upstream, stage } = await openVictim(net);
    await using _upstream = upstream;
    await using _stage = stage;
    const hostile = [
      ...names,
      ...["*.com", "*.co.uk", "*.bank.com", "*.bank.co.uk", "*.internal", "*.test", "*.office.test"],
      ...["nas.office.test", "wpad.office.test", "metadata.google.internal", "attacked", "localhost"],
    ];
    for (const name of hostile) stage.cloud.addEndpoint({ url: `http://${name}`, backend: "http" });
    stage.cloud.addEndpoint({ url: "http://*.good.test", backend: "http" });
    stage.startDaemon();
    await stage.until("the good wildcard resolves", async () => (await addressesOf("x.good.test")) !== "");
    assert.match(await addressesOf("x.good.test"), /^10\.107\./);
    for (const [name, address] of Object.entries(VICTIMS)) {
      assert.equal(await addressesOf(name), address, name);
    }
    for (const name of names) assert.ok(!(await Deno.readTextFile("/etc/hosts")).includes(name), name);
    const rows = new Map((await stage.settled(hostile.length + 1)).map((row) => [row.url, row]));
    for (const name of hostile) {
      const { state, reason, ip } = rows.get(`http://${name}`)!;
      assert.deepEqual([state, ip], ["refused", ""], name);
      assert.ok(reason.startsWith(`"${name}" `), reason);
    }
    assert.ok((await Deno.readTextFile("/etc/hosts")).startsWith(HOSTS));
    assert.equal(await stage.stopDaemon(), 0);
  });
}

// tcp://x:22 opened 0.0.0.0:22.
test("an account opens no system port of this machine to the LAN (R58)", async () => {
  await using stage = await Stage.open({ shipped: true, pollSeconds: 1, net: "listen_interface: 0.0.0.0" });
  for (const port of [22, 111, 3306]) {
    stage.cloud.addEndpoint({ url: `tcp://e${port}.good.test:${port}`, backend: "echo" });
  }
  stage.startDaemon();
  await stage.settled(3);
  await stage.until("3306 is served", async () => (await shell("ss -Hltn")).includes(":3306 "));
  assert.doesNotMatch(await shell("ss -Hltn"), /:(22|111) /);
  await stage.editConfig("listen_interface: 0.0.0.0", "listen_interface: 0.0.0.0\n  allow_ports: [22]");
  await stage.until("22 is served", async () => (await shell("ss -Hltn")).includes(":22 "));
  assert.equal(await stage.stopDaemon(), 0);
});
