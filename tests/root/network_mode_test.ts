import { passes, testRoot } from "./test_root.ts";

const FILE = "network_mode_inside.ts";

testRoot(
  "a neighbour with only its resolver set reaches every kind of endpoint by name, and nothing that it may not",
  () => passes(FILE, { etc: true, filter: "every kind of endpoint" }),
);

testRoot(
  "a virtual endpoint beside a shared listener of the same port serves this machine alone",
  () => passes(FILE, { etc: true, filter: "beside a shared listener" }),
);

testRoot(
  "a held port 53 is named and costs that address alone, and names follow the address of the machine (F53, F54)",
  () => passes(FILE, { etc: true, filter: "held port 53" }),
);

testRoot(
  "names move between the hosts file and DNS with the mode, wildcards too, and SIGKILL with cleanup, or SIGTERM, leaves nothing",
  () => passes(FILE, { etc: true, filter: "names move with it" }),
);
