import { passes, testRoot } from "../root/test_root.ts";

testRoot(
  "ngrokctl does all with its set, and loses the named scenario with each entry that is taken away",
  () => passes("../e2e/permissions_ctl_inside.ts", { etc: true }),
);
