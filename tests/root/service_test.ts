import { shell } from "./commands.ts";
import { passes, testRoot } from "./test_root.ts";

testRoot(
  "systemd gives up a daemon that keeps crashing, and cleanup leaves nothing (F29)",
  async () => {
    const CGROUP = (await shell('mktemp -d "$(findmnt -nt cgroup2 -o TARGET | head -1)/ngrokd-test.XXXXXX"'))
      .trim();
    try {
      await passes("service_inside.ts", { etc: true, env: { CGROUP } });
    } finally {
      await shell(`find ${CGROUP} -depth -type d -exec rmdir {} +`);
    }
  },
);
