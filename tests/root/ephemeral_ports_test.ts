import assert from "node:assert/strict";
import { testInside } from "./namespace.ts";
import { NEEDS_ROOT, ROOT_REASON } from "./needs_root.ts";

Deno.test({
  name: `the forwarder outlives the end of all ports for outgoing connections (F64)${ROOT_REASON}`,
  ignore: NEEDS_ROOT,
  async fn() {
    const { code, text } = await testInside("ephemeral_ports_inside.ts", {
      prelude: 'echo "40000 40099" > /proc/sys/net/ipv4/ip_local_port_range',
    });
    assert.equal(code, 0, text);
    assert.match(text, /ok \| 1 passed/);
  },
});
