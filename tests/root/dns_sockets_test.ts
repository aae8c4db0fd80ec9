import { passes, testRoot } from "./test_root.ts";

testRoot(
  "the DNS server meets forged, empty, huge and unanswerable datagrams on the wire (F47, F48, F49)",
  () => passes("dns_sockets_inside.ts", { filter: "/forged/" }),
);

testRoot(
  "the DNS server answers a machine of the network from each of three addresses on two interfaces (F52)",
  () => passes("dns_sockets_inside.ts", { filter: "/three addresses/" }),
);
