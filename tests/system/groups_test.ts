import assert from "node:assert/strict";
import { groupId } from "../../src/system/groups.ts";

const isUnix = Deno.build.os !== "windows";

Deno.test({
  name: "groupId() finds every group of /etc/group, and no other name",
  ignore: !isUnix,
  async fn() {
    const lines = (await Deno.readTextFile("/etc/group")).split("\n").filter((line) =>
      /^[^#:]+:[^:]*:\d+:/.test(line)
    );
    assert.ok(lines.length > 0);
    for (const line of lines) {
      const [name, , gid] = line.split(":");
      assert.equal(await groupId(name!), Number(gid), name);
    }
    for (const name of ["", "no-such-group", "0", "daemon:x", "#", "\n"]) {
      assert.equal(await groupId(name), undefined, name);
    }
  },
});
