import { passes, testRoot } from "../root/test_root.ts";

/** Shell: a program in place of resolvectl, over /usr/bin of a namespace. */
const RESOLVECTL = `
mkdir /mnt/bin /mnt/bin_work
mount -t overlay overlay -o lowerdir=/usr/bin,upperdir=/mnt/bin,workdir=/mnt/bin_work /usr/bin
cp tests/e2e/resolvectl /usr/bin/resolvectl
`;

testRoot(
  "ngrokd does all with its set, and loses the named scenario with each entry that is taken away",
  async () => {
    const parts = ["0/2", "1/2"].map((PART) =>
      passes("../e2e/permissions_daemon_inside.ts", { etc: true, env: { PART }, prelude: RESOLVECTL })
    );
    await Promise.all(parts);
  },
);
