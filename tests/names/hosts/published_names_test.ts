import assert from "node:assert/strict";
import { HostsFile } from "../../../src/names/hosts/hosts_file.ts";
import { NoNames } from "../../../src/names/hosts/no_names.ts";
import { PublishedNames } from "../../../src/names/hosts/published_names.ts";
import * as files from "../../../src/system/files.ts";
import { captureLog } from "../../fakes/captured_log.ts";
import { fileOnDisk } from "../file_on_disk.ts";

const USER = "127.0.0.1 localhost\n";
const NAMES = new Map([["a.t", "10.107.0.2"], ["*.t", "10.107.0.3"]]);

// A second SIGTERM does not wait for the round that is running.
Deno.test("PublishedNames publishes nothing after its withdrawal (F27)", async () => {
  await using file = await fileOnDisk("hosts", USER);
  const names = new PublishedNames(new HostsFile(file.path, { files }));
  await names.publish(NAMES);
  assert.match(await file.read(), /a\.t/);
  const withdrawn = names.withdraw();
  await names.publish(new Map([["b.t", "10.107.0.3"]]));
  await withdrawn;
  assert.equal(await file.read(), USER);
});

Deno.test("PublishedNames logs a lasting problem once, and reports it until it is solved", async () => {
  await using logged = await captureLog();
  await using file = await fileOnDisk("hosts");
  await Deno.mkdir(file.path);
  const names = new PublishedNames(new HostsFile(file.path, { files }));
  for (let round = 0; round < 3; round++) await names.publish(NAMES);
  const problem = `Cannot read ${file.path}: it is not a regular file`;
  assert.deepEqual(logged.lines("error"), [`Problem with the names: ${problem}`]);
  assert.equal(names.report.state, "failing");
  assert.ok(names.report.reason?.startsWith(`${problem} (Put a regular file there, `), "with the hint");

  await Deno.remove(file.path);
  await file.write(USER);
  assert.deepEqual(await names.publish(NAMES), new Map([["*.t", "a hosts file cannot hold a wildcard"]]));
  assert.deepEqual(logged.lines("info"), [`${file.path} updated successfully`]);
  assert.deepEqual(names.report, { driver: "hosts", state: "ok", reason: null });
});

Deno.test("PublishedNames of a disabled publisher reports the reason", async () => {
  await using logged = await captureLog();
  const names = new PublishedNames(new NoNames("this is a test"));
  assert.deepEqual(await names.publish(NAMES), new Map());
  assert.deepEqual(names.report, { driver: "none", state: "off", reason: "this is a test" });
  assert.deepEqual(logged.lines("warning"), ["Not publishing names: this is a test"]);
});
