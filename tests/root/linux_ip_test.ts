import assert from "node:assert/strict";
import { temporaryDirectory } from "../fakes/temporary_directory.ts";
import { passes, testRoot } from "./test_root.ts";

const NET_ADMIN = 'set -- setpriv --bounding-set=-all,+net_admin --inh-caps=-all "$@"';
const NOTHING = 'set -- setpriv --bounding-set=-all --inh-caps=-all "$@"';

/** Puts a program in the place of `ip`, and demands the loopback driver with this reason. */
async function degrades(stub: string, reason: string): Promise<void> {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/ip`;
  await Deno.writeTextFile(path, `#!/bin/sh\n${stub}\n`, { mode: 0o755 });
  await passes("degraded_inside.ts", {
    prelude: `mount --bind ${path} $(readlink -f /sbin/ip)`,
    env: { REASON: reason },
  });
}

testRoot(
  "LinuxIp with the real ip: contract, repairs, foreign interfaces, conflicts",
  () => passes("linux_ip_inside.ts"),
);

testRoot(
  "LinuxIp needs the capability NET_ADMIN only",
  () => passes("linux_ip_inside.ts", { prelude: NET_ADMIN, filter: "/can be bound|repeated|deleted under/" }),
);

testRoot(
  "without NET_ADMIN loopback addresses stand for the subnet",
  () => passes("degraded_inside.ts", { prelude: NOTHING, env: { REASON: "Operation not permitted" } }),
);

testRoot(
  "an ip that is missing degrades (F30)",
  () =>
    passes("degraded_inside.ts", {
      prelude: "mount -t tmpfs tmpfs $(readlink -f /sbin)",
      env: { REASON: "/sbin/ip" },
    }),
);

testRoot(
  "an ip that exits 2 degrades (F30)",
  () => degrades("echo broken >&2; exit 2", "exit code 2: broken"),
);

testRoot(
  "an ip that prints garbage degrades (F30)",
  () => degrades("echo garbage", "Cannot read the output of"),
);

testRoot(
  "an ip that hangs degrades after 5 s (F30)",
  () => degrades("exec sleep 60", "it did not end within 5 s"),
);

testRoot("an ip that comes first in PATH is not run", async () => {
  await using directory = await temporaryDirectory();
  const { path } = directory;
  await Deno.writeTextFile(`${path}/ip`, `#!/bin/sh\ntouch ${path}/was-run\n`, { mode: 0o755 });
  await passes("linux_ip_inside.ts", {
    prelude: `PATH=${path}:$PATH; export PATH; ip; rm ${path}/was-run`,
    filter: "can be bound",
  });
  await assert.rejects(Deno.stat(`${path}/was-run`), Deno.errors.NotFound);
});

testRoot(
  "the daemon serves virtual addresses to this machine only, and repairs its interface within a poll",
  () => passes("virtual_daemon_inside.ts"),
);
