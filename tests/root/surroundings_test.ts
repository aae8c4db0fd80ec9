import { passes, testRoot } from "./test_root.ts";

const FILE = "surroundings_inside.ts";

testRoot(
  "on a full disk no file is lost or empty, status says what to do, and room puts all right (F2)",
  () => passes(FILE, { etc: true, filter: "a full disk costs" }),
);

testRoot(
  "on a read-only /etc the daemon serves addresses and says that there are no names (F3)",
  () => passes(FILE, { etc: true, filter: "read-only" }),
);

testRoot(
  "a hosts file that is a bind mount is written where it stands, with one warning (F4)",
  () => passes(FILE, { etc: true, filter: "bind mount" }),
);

testRoot(
  "an immutable hosts file is left alone, status says so, and it is written when it may be (F7)",
  () => passes(FILE, { etc: true, filter: "immutable" }),
);

testRoot(
  "under umask 077 the hosts file keeps mode and owner, and everybody can read it (F8)",
  () => passes(FILE, { etc: true, filter: "umask" }),
);

testRoot(
  "with its output closed, without a reader, or on a full disk, the daemon serves (F28)",
  () => passes(FILE, { etc: true, filter: "whose output" }),
);
