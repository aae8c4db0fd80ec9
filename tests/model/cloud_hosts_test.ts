import assert from "node:assert/strict";
import config from "../../deno.json" with { type: "json" };
import { DEFAULT_INGRESS, DEFAULTS } from "../../src/config/config.ts";
import { CLOUD_HOSTS } from "../../src/model/cloud_hosts.ts";

Deno.test("CLOUD_HOSTS has every host name of the shipped permission sets and of the defaults", () => {
  const entries = [...config.permissions.ngrokd.net, ...config.permissions.ngrokctl.net];
  const hosts = entries.filter((entry) => !entry.startsWith("unix:")).map((entry) => entry.split(":")[0]!);
  const names = hosts.filter((host) => host !== "localhost" && !/^[0-9./]+$/.test(host));
  assert.deepEqual(names, CLOUD_HOSTS);
  for (const used of [new URL(DEFAULTS.api.url).hostname, DEFAULT_INGRESS.hostname]) {
    assert.ok(CLOUD_HOSTS.includes(used), used);
  }
});
