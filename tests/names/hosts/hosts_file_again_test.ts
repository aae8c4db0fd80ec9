import assert from "node:assert/strict";
import { HostsFile } from "../../../src/names/hosts/hosts_file.ts";
import * as files from "../../../src/system/files.ts";

Deno.test("HostsFile that is given the very same names again observes the file, and puts back what another program took", async () => {
  const directory = await Deno.makeTempDir({ prefix: "ngrokd-hosts-" });
  try {
    const path = `${directory}/hosts`;
    const original = "127.0.0.1\tlocalhost\n192.0.2.1\ta.t\n";
    await Deno.writeTextFile(path, original);
    const hosts = new HostsFile(path, { files });
    const names = new Map([["a.t", "127.107.0.2"], ["*.t", "127.107.0.3"]]);
    const first = await hosts.publish(names);
    const written = await Deno.readTextFile(path);
    const again = await hosts.publish(names);
    assert.deepEqual([first.changed, again.changed], [true, false]);
    assert.deepEqual([again.notes, again.refused], [first.notes, first.refused]);
    assert.deepEqual([again.notes.size, again.refused.size], [1, 1]);

    await Deno.writeTextFile(path, original);
    assert.equal((await hosts.publish(names)).changed, true);
    assert.equal(await Deno.readTextFile(path), written);

    await Deno.writeTextFile(path, `${written}192.0.2.2\tother\n`);
    assert.equal((await hosts.publish(names)).changed, false);
    await hosts.withdraw();
    assert.equal((await hosts.publish(names)).changed, true);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
