import assert from "node:assert/strict";
import { choosePublisher } from "../../src/names/select.ts";
import * as files from "../../src/system/files.ts";

Deno.test("choosePublisher() publishes no names where the permission set does not hold the hosts file, and says why", async () => {
  const publisher = choosePublisher({ path: "/etc/hosts", files, mayWrite: () => false });
  assert.equal(publisher.kind, "none");
  assert.equal(
    publisher.off,
    "Names are not published: the permission set does not allow to write /etc/hosts",
  );
  const outcome = await publisher.publish(new Map([["a.example", "127.107.0.2"]]));
  assert.equal(outcome.changed, false);
});

Deno.test("choosePublisher() keeps the hosts file that it may write", () => {
  const asked: string[] = [];
  const mayWrite = (path: string) => asked.push(path) > 0;
  const publisher = choosePublisher({ path: "/nowhere/hosts", files, mayWrite });
  assert.deepEqual([publisher.kind, publisher.off, asked], ["hosts", undefined, ["/nowhere/hosts"]]);
});
