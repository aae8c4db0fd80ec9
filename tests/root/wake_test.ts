import { passes, testRoot } from "./test_root.ts";

testRoot(
  "the daemon polls within seconds after a real change of interfaces and addresses",
  () => passes("wake_inside.ts"),
);
