import { passes, testTraced } from "../root/test_root.ts";

testTraced(
  "in long runs ngrokd and ngrokctl use nothing that their sets do not hold, and start the named programs only",
  () => passes("../e2e/permissions_audit_inside.ts", { etc: true }),
);
