import assert from "node:assert/strict";
import { PublishedNames } from "../../../src/names/hosts/published_names.ts";
import { HostsFile } from "../../../src/names/hosts/hosts_file.ts";
import * as files from "../../../src/system/files.ts";
import { temporaryDirectory } from "../../fakes/temporary_directory.ts";

Deno.test("names are not published any more once they are withdrawn, by a round that a second SIGTERM did not wait for (F27)", async () => {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/hosts`;
  await Deno.writeTextFile(path, "127.0.0.1 localhost\n");
  const names = new PublishedNames(new HostsFile(path, { files }));
  await names.publish(new Map([["a.t", "10.107.0.2"]]));
  assert.match(await Deno.readTextFile(path), /a\.t/);
  const withdrawn = names.withdraw();
  await names.publish(new Map([["b.t", "10.107.0.3"]]));
  await withdrawn;
  assert.equal(await Deno.readTextFile(path), "127.0.0.1 localhost\n");
});
