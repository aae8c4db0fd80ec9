import assert from "node:assert/strict";
import { temporaryDirectory } from "../fakes/temporary_directory.ts";
import { passes, testRoot } from "./test_root.ts";

const NET_ADMIN = 'set -- setpriv --bounding-set=-all,+net_admin --inh-caps=-all "$@"';
const NO_CAPABILITY = 'set -- setpriv --bounding-set=-all --inh-caps=-all "$@"';

testRoot("LinuxIp fulfils the contract of drivers with the real ip", () => passes("linux_ip_inside.ts"));

testRoot(
  "LinuxIp needs only the capability NET_ADMIN",
  () => passes("linux_ip_inside.ts", { prelude: NET_ADMIN, filter: "/can be bound|repeated|is deleted/" }),
);

/** Demands loopback addresses with this reason. */
function degrades(prelude: string, reason: string): Promise<void> {
  return passes("degraded_inside.ts", { prelude, env: { REASON: reason } });
}

testRoot(
  "without NET_ADMIN ngrokd uses loopback addresses",
  () => degrades(NO_CAPABILITY, "Operation not permitted"),
);

testRoot(
  "without ip ngrokd uses loopback addresses (F30)",
  () => degrades("mount -t tmpfs tmpfs $(readlink -f /sbin)", "/sbin/ip"),
);

for (
  const [fault, script, reason] of [
    ["exits with 2", "echo broken >&2; exit 2", "exit code 2: broken"],
    ["prints garbage", "echo garbage", "Cannot read the output of"],
    ["hangs for 5 s", "exec sleep 60", "it did not end within 5 s"],
  ] as const
) {
  testRoot(`with an ip that ${fault} ngrokd uses loopback addresses (F30)`, async () => {
    await using directory = await temporaryDirectory();
    const path = `${directory.path}/ip`;
    await Deno.writeTextFile(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    await degrades(`mount --bind ${path} $(readlink -f /sbin/ip)`, reason);
  });
}

testRoot("ngrokd does not run another ip that comes first in PATH", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await Deno.writeTextFile(`${path}/ip`, `#!/bin/sh\ntouch ${path}/was-run\n`, { mode: 0o755 });
  await passes("linux_ip_inside.ts", {
    prelude: `PATH=${path}:$PATH; export PATH; ip; rm ${path}/was-run`,
    filter: "can be bound",
  });
  await assert.rejects(Deno.stat(`${path}/was-run`), Deno.errors.NotFound);
});
