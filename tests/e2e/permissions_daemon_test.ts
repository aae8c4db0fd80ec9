import { passes, testRoot } from "../root/test_root.ts";

testRoot(
  "ngrokd does all with its set, and loses the named scenario with each entry that is taken away",
  async () => {
    const parts = ["0/2", "1/2"].map((PART) =>
      passes("../e2e/permissions_daemon_inside.ts", { etc: true, env: { PART } })
    );
    await Promise.all(parts);
  },
);
