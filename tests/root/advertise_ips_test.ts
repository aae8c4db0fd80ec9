import assert from "node:assert/strict";
import { Stage } from "../../sim/stage.ts";
import { shell } from "./commands.ts";
import { Neighbour } from "./neighbour.ts";
import { rootTests } from "./test_root.ts";

const test = rootTests(import.meta.url, { etc: true });

/** A daemon that spreads names over two addresses, and a neighbour that uses its DNS server. */
async function open(listenInterface: (neighbour: Neighbour) => string) {
  const stack = new AsyncDisposableStack();
  const neighbour = stack.use(await Neighbour.open());
  const { lan } = neighbour;
  const [first, second] = [lan.address(1), lan.address(11)];
  await shell(`/sbin/ip address add ${lan.cidr(11)} dev ${lan.link}`);
  await neighbour.useNameServers(first);
  const stage = stack.use(
    await Stage.open({
      shipped: true,
      pollSeconds: 1,
      net: `listen_interface: ${listenInterface(neighbour)}\nadvertise_ips: [${first}, ${second}]`,
    }),
  );
  const add = (name: string) =>
    stage.cloud.addEndpoint({ url: `tls://${name}.apps.example.com`, backend: "tls" });
  return {
    stage,
    neighbour,
    addresses: [first, second] as const,
    add,
    /** Returns the address of each name by DNS. The list and the listener must agree. */
    async resolve(...names: string[]): Promise<string[]> {
      const rows = await stage.active(names.length);
      return await Promise.all(names.map(async (name) => {
        const host = `${name}.apps.example.com`;
        const answer = await neighbour.succeeds(["dig", "+short", "+time=4", "+tries=1", `@${first}`, host]);
        const address = answer.trim();
        const here = await shell(`getent ahostsv4 ${host} | awk '{ print $1 }' | sort --unique`);
        assert.equal(here, `${address}\n`, "this machine uses the same address, by hosts file or DNS");
        assert.equal(rows.find(({ hostname }) => hostname === host)!.listen_address, `${address}:443`);
        const url = `https://${host}/`;
        const got = await neighbour.succeeds([
          "curl",
          "-sSk",
          "-w",
          "\n%{remote_ip}",
          "--max-time",
          "5",
          url,
        ]);
        assert.ok(got.includes(host) && got.endsWith(`\n${address}`), got);
        return address;
      }));
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

for (
  const [what, listenInterface] of [
    ["0.0.0.0", () => "0.0.0.0"],
    ["one interface", ({ lan }: Neighbour) => lan.link],
  ] as const
) {
  test(`names keep their addresses of net.advertise_ips over restarts, on ${what} (R92)`, async () => {
    await using daemon = await open(listenInterface);
    const { stage, add, resolve, addresses: [first, second] } = daemon;
    const a = add("a");
    add("b");
    stage.startDaemon();
    await stage.until("the control socket is there", () => stage.askList().then(() => true, () => false));
    assert.deepEqual(await resolve("a", "b"), [first, second]);

    stage.cloud.removeEndpoint(a.id);
    await stage.settled(1);
    assert.equal(await stage.stopDaemon(), 0);
    stage.startDaemon();
    await stage.until("the control socket is there", () => stage.askList().then(() => true, () => false));
    add("0");
    await stage.settled(2);
    assert.deepEqual(await resolve("0", "b"), [first, second]);
  });
}

test("an address of net.advertise_ips gets no name while this machine does not have it", async () => {
  await using daemon = await open(() => "0.0.0.0");
  const { stage, add, neighbour: { lan }, addresses: [first, second] } = daemon;
  await shell(`/sbin/ip address delete ${lan.cidr(11)} dev ${lan.link}`);
  add("a");
  add("b");
  stage.startDaemon();
  await stage.until("the control socket is there", () => stage.askList().then(() => true, () => false));
  await stage.active(2);
  assert.deepEqual((await stage.askList()).map(({ ip }) => ip), [first, first]);
  const warning =
    `net.advertise_ips: this machine does not have the address ${second} now, so no name gets it`;
  assert.ok(stage.log.some((line) => line.includes(warning)), stage.log.join("\n"));
  await shell(`/sbin/ip address add ${lan.cidr(11)} dev ${lan.link}`);
  await stage.until(
    "one name moves to the address",
    async () => (await stage.askList()).map(({ ip }) => ip).join() === `${first},${second}`,
  );

  await shell(`/sbin/ip address delete ${lan.cidr(11)} dev ${lan.link}`);
  await stage.until("list names the address", async () =>
    (await stage.askList())[1]!.reason ===
      `its address ${second} in net.advertise_ips is not an address of this machine now`);
});
