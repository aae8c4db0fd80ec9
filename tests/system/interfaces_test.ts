import assert from "node:assert/strict";
import { localAddresses } from "../../src/system/interfaces.ts";

Deno.test("localAddresses() contains the loopback address with its interface", () => {
  const loopback = localAddresses().find(({ address }) => address === "127.0.0.1");
  assert.match(loopback!.interface, /^lo/);
});
