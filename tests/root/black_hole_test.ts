import assert from "node:assert/strict";
import { testInside } from "./namespace.ts";
import { NEEDS_ROOT, ROOT_REASON } from "./needs_root.ts";

Deno.test({
  name:
    `an ingress that swallows every packet costs one wait, and no descriptor after that (F60)${ROOT_REASON}`,
  ignore: NEEDS_ROOT,
  async fn() {
    const { code, text } = await testInside("black_hole_inside.ts", {
      prelude: [
        "/sbin/ip link add hole0 type veth peer name hole1",
        "/sbin/ip link set hole0 up",
        "/sbin/ip link set hole1 up",
        "/sbin/ip addr add 10.9.9.1/24 dev hole0",
        "/sbin/ip neigh add 10.9.9.2 lladdr 02:00:00:00:00:99 dev hole0 nud permanent",
      ].join("\n"),
    });
    assert.equal(code, 0, text);
    assert.match(text, /ok \| 1 passed/);
  },
});
