import { passes, testRoot } from "./test_root.ts";

testRoot(
  "deno task ngrokd and ngrokctl, as root on their default paths, do what the README promises",
  () => passes("main_show_inside.ts", { etc: true, filter: "without a key" }),
);

testRoot(
  "a second daemon is refused with its reason while every request to the first succeeds (F22)",
  () => passes("main_show_inside.ts", { etc: true, filter: "second daemon" }),
);
