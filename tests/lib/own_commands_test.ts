import assert from "node:assert/strict";
import { commandsIn, withPrograms } from "../../src/lib/own_commands.ts";

const DIRECTORY = "/opt/ngrokd/bin";

Deno.test("withPrograms() names the directory of the commands of ngrokd, and of nothing else", () => {
  for (
    const [text, wanted] of [
      ["See: ngrokctl list", "See: /opt/ngrokd/bin/ngrokctl list"],
      ["Start it: sudo ngrokd run.", "Start it: sudo /opt/ngrokd/bin/ngrokd run."],
      ["ngrokd runs; run ngrokctl trust show", "ngrokd runs; run /opt/ngrokd/bin/ngrokctl trust show"],
      ["ngrokctl version 0.4.0", "ngrokctl version 0.4.0"],
      ["ngrokctl listens", "ngrokctl listens"],
      ["/usr/bin/ngrokctl list", "/usr/bin/ngrokctl list"],
      ["x-ngrokd cleanup", "x-ngrokd cleanup"],
    ] as const
  ) assert.equal(withPrograms(text, DIRECTORY), wanted);
});

Deno.test("withPrograms() quotes a path for the shell, and changes nothing without a safe one", () => {
  assert.equal(withPrograms("See: ngrokctl list", "/my files/bin"), "See: '/my files/bin/ngrokctl' list");
  for (const directory of [undefined, "", "bin", '/a"', "/a'b", "/a\\", "/a\n"]) {
    assert.equal(withPrograms("ngrokctl list", directory), "ngrokctl list");
  }
});

Deno.test("commandsIn() returns each command of a text", () => {
  const text = "Run: ngrokctl config edit; then: ngrokd cleanup, ngrokctl frobnicate";
  assert.deepEqual(commandsIn(text), ["ngrokctl config edit", "ngrokd cleanup"]);
});
