import assert from "node:assert/strict";
import { choosePublisher } from "../../src/names/select.ts";
import * as files from "../../src/system/files.ts";

Deno.test("choosePublisher() publishes no names when no hosts file is given, and says why", async () => {
  const publisher = choosePublisher({ files });
  assert.equal(publisher.kind, "none");
  assert.equal(publisher.off, "Names are not published: NGROKD_HOSTS_PATH is not set");
  const outcome = await publisher.publish(new Map([["a.example", "127.107.0.2"]]));
  assert.equal(outcome.changed, false);
});

Deno.test("choosePublisher() keeps the hosts file that was given", () => {
  const publisher = choosePublisher({ hostsPath: "/nowhere/hosts", files });
  assert.equal(publisher.kind, "hosts");
  assert.equal(publisher.off, undefined);
});
