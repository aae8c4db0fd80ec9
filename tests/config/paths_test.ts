import assert from "node:assert/strict";
import { DEFAULTS } from "../../src/config/config.ts";
import { DEFAULT_CONFIG_PATH, defaultSocketPath, effectiveSocketPath } from "../../src/config/paths.ts";

Deno.test("effectiveSocketPath() gives the default for the paths of the Go daemon", () => {
  assert.equal(effectiveSocketPath("/var/run/ngrokd.sock", "linux"), "/run/ngrokd/ngrokd.sock");
  assert.equal(effectiveSocketPath("/run/ngrokd.sock", "linux"), "/run/ngrokd/ngrokd.sock");
  assert.equal(effectiveSocketPath("/var/run/ngrokd.sock", "darwin"), "/var/run/ngrokd/ngrokd.sock");
  assert.equal(effectiveSocketPath("/tmp/ngrokd.sock", "linux"), "/tmp/ngrokd.sock");
});

Deno.test("the shipped permission set holds the default paths", async () => {
  const { permissions } = JSON.parse(await Deno.readTextFile(new URL("../../deno.json", import.meta.url)));
  assert(permissions.ngrokd.read.includes(DEFAULT_CONFIG_PATH.replace("/config.yml", "")));
  assert(permissions.ngrokd.net.includes(`unix:${defaultSocketPath("linux")}`));
  assert.equal(DEFAULTS.server.socketPath, defaultSocketPath("linux"));
});
