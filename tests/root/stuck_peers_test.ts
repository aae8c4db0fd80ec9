import { passes, testRoot } from "./test_root.ts";

testRoot(
  "200 connections whose client or endpoint never reads cost 256 KiB each at most, and disturb nobody (F59)",
  () =>
    passes("stuck_peers_inside.ts", {
      // Small buffers of the kernel are full sooner; what the daemon itself holds is what counts here.
      prelude: [
        'echo "4096 16384 65536" > /proc/sys/net/ipv4/tcp_wmem',
        'echo "4096 16384 65536" > /proc/sys/net/ipv4/tcp_rmem',
      ].join("\n"),
    }),
);
