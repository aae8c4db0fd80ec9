import assert from "node:assert/strict";
import { hostname, operatingSystem } from "../../src/system/environment.ts";
import { runModule } from "../fakes/run_module.ts";

Deno.test("readEnvironment() returns undefined if a variable is unset, empty or not permitted", async () => {
  const code = `import { readEnvironment } from "../../src/system/environment.ts";
    console.log(JSON.stringify(["SET", "EMPTY", "UNSET", "OTHER"].map((name) => readEnvironment(name) ?? null)));`;
  const { stdout, stderr } = await runModule(code, {
    permissions: ["--allow-env=SET,EMPTY,UNSET"],
    env: { SET: "a b", EMPTY: "", OTHER: "x" },
  });
  assert.equal(stdout.trim(), '["a b",null,null,null]', stderr);
});

Deno.test("takeEnvironment() removes the variable for the process and for its programs", async () => {
  const code = `import { takeEnvironment } from "../../src/system/environment.ts";
    const names = ["SET", "EMPTY", "UNSET", "OTHER"];
    const taken = names.map((name) => takeEnvironment(name) ?? null);
    const { stdout } = await new Deno.Command("/bin/sh", { args: ["-c", "printf %s-$OTHER $SET"] }).output();
    console.log(JSON.stringify([taken, Deno.env.get("SET") ?? null, new TextDecoder().decode(stdout)]));`;
  const { stdout, stderr } = await runModule(code, {
    permissions: ["--allow-env=SET,EMPTY,UNSET", "--allow-run=/bin/sh"],
    env: { SET: "a", EMPTY: "", OTHER: "x" },
  });
  assert.equal(stdout.trim(), '[["a",null,null,null],null,"-x"]', stderr);
});

Deno.test("operatingSystem() and hostname() describe this machine", () => {
  assert.ok(["linux", "darwin", "windows"].includes(operatingSystem()));
  assert.ok(hostname().length > 0);
});
