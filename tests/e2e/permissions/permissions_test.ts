import { passes, testRoot, testTraced } from "../../root/test_root.ts";

const INSIDE = "../e2e/permissions/inside.ts";

/** Shell: puts a program of the tests in the place of resolvectl, in an overlay over /usr/bin. */
const RESOLVECTL = `
mkdir /mnt/bin /mnt/bin_work
mount -t overlay overlay -o lowerdir=/usr/bin,upperdir=/mnt/bin,workdir=/mnt/bin_work /usr/bin
cp tests/e2e/permissions/resolvectl /usr/bin/resolvectl
`;

testRoot(
  "a scenario needs each entry of the shipped permission sets, and all of them suffice",
  async () => {
    const parts = ["0/2", "1/2"].map((PART) =>
      passes(INSIDE, { etc: true, env: { PART }, prelude: RESOLVECTL, filter: "rows:" })
    );
    await Promise.all(parts);
  },
);

testTraced(
  "in long runs both programs use only what their sets hold, and start only named programs",
  () => passes(INSIDE, { etc: true, filter: "audit:" }),
);
