import assert from "node:assert/strict";
import { permissionFlags } from "../../scripts/permission_flags.ts";
import { Stage } from "../../sim/stage.ts";
import { echoOnce } from "../long/load.ts";
import { networkState, shell } from "./commands.ts";
import { rootTests } from "./test_root.ts";

const testInside = rootTests(import.meta.url, { etc: true });
const FLAGS = permissionFlags("ngrokd", ["--deny-run=/sbin/ip"]);

/** Starts a daemon that may not run `ip`, and returns its driver, subnet and first address. */
async function served(stage: Stage): Promise<{ driver: string; subnet: string; address: string }> {
  stage.cloud.addEndpoint({ url: "tcp://db.myapp:5432", backend: "echo" });
  stage.startDaemon({ flags: FLAGS });
  const [row] = await stage.active(1);
  await echoOnce(row!.listen_address, new TextEncoder().encode("there and back"));
  const { driver, subnet } = (await stage.askStatus()).addresses;
  return { driver, subnet, address: row!.listen_address };
}

testInside("a daemon without ip uses a subnet that the unit has made, and leaves it alone", async () => {
  await using stage = await Stage.open({ shipped: true });
  await shell("/sbin/ip route add local 10.107.0.0/16 dev lo");
  const before = await networkState();
  const { driver, subnet, address } = await served(stage);
  assert.deepEqual([driver, subnet], ["existing_subnet", "10.107.0.0/16"]);
  assert.match(address, /^10\.107\./);
  assert.equal(await stage.stopDaemon(), 0);
  assert.equal(await networkState(), before);
});

testInside(
  "a daemon without ip uses loopback addresses if the machine does not have the subnet",
  async () => {
    await using stage = await Stage.open({ shipped: true });
    // With this setting every address can be bound.
    await shell("mount -o remount,rw /proc/sys 2>/dev/null || true; sysctl -qw net.ipv4.ip_nonlocal_bind=1");
    const { driver, subnet } = await served(stage);
    assert.deepEqual([driver, subnet], ["loopback", "127.107.0.0/16"]);
    assert.equal(await stage.stopDaemon(), 0);
  },
);
