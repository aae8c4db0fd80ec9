import assert from "node:assert/strict";
import { flagFor, holds } from "../../src/system/permissions.ts";
import { runModule } from "../fakes/run_module.ts";

Deno.test("holds() is true for the permissions of the process, and does not prompt", async () => {
  const code = `import { holds } from "../../src/system/permissions.ts";
    console.log(JSON.stringify([
      { kind: "read", path: "/tmp/x" }, { kind: "read", path: "/etc/passwd" }, { kind: "write", path: "/tmp/x/y" }, { kind: "write", path: "/tmpx" },
      { kind: "net", host: "api.example" }, { kind: "net", host: "api.example:443" }, { kind: "net", host: "other.example:443" }, { kind: "net", host: "127.0.0.9:53" },
      { kind: "run", path: "/bin/sh" }, { kind: "run", path: "/bin/cat" }, { kind: "run", path: "/bin/ls" },
    ].map(holds)));`;
  const { stdout, stderr } = await runModule(code, {
    permissions: [
      "--allow-read=/tmp",
      "--allow-write=/tmp",
      "--allow-net=api.example,127.0.0.0/8",
      "--allow-run=/bin/sh,/bin/cat",
      "--deny-run=/bin/cat",
    ],
  });
  assert.equal(stdout.trim(), "[true,false,true,false,true,true,false,true,true,false,false]", stderr);
});

Deno.test("holds() is true for the permissions of this test", () => {
  assert.equal(holds({ kind: "net", host: "api.example:443" }), true);
  assert.equal(holds({ kind: "read", path: "/etc" }), true);
});

Deno.test("flagFor() returns the flag that grants a permission", () => {
  assert.equal(flagFor({ kind: "net", host: "a.example:443" }), "--allow-net=a.example:443");
  assert.equal(flagFor({ kind: "write", path: "/srv/x" }), "--allow-write=/srv/x");
});
