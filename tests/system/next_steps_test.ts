import assert from "node:assert/strict";
import { BindError, DialError } from "../../src/model/errors.ts";
import { connectTls, listenTcp } from "../../src/system/net.ts";
import { TestCa } from "../fakes/test_ca.ts";
import { runModule } from "../fakes/run_module.ts";

Deno.test("connectTls() adds a hint if the ingress refuses the connection", async () => {
  const ca = await TestCa.create();
  const pair = await ca.pair();
  const gone = listenTcp({ address: "127.0.0.1", port: 0 });
  gone.close();
  await assert.rejects(
    connectTls({
      hostname: "127.0.0.1",
      port: gone.port,
      ...pair,
      caCerts: [ca.pem],
      timeoutMs: 5000,
    }),
    (error) =>
      error instanceof DialError && error.code === "refused" && /ingressEndpoint/.test(error.hint ?? ""),
  );
});

Deno.test("listenTcp() adds a hint if the port is in use", () => {
  const first = listenTcp({ address: "127.0.0.1", port: 0 });
  try {
    assert.throws(
      () => listenTcp({ address: "127.0.0.1", port: first.port }),
      (error) => error instanceof BindError && error.reason === "in_use" && /ss -ltnp/.test(error.hint ?? ""),
    );
  } finally {
    first.close();
  }
});

Deno.test("listenLocal() checks the directory of a relative path, and creates none", async () => {
  const { stdout, stderr } = await runModule(
    `import { listenLocal } from "../../src/system/local_socket.ts";
    const directory = await Deno.makeTempDir();
    Deno.chdir(directory);
    const listener = await listenLocal("ngrokd.sock");
    const names = [...Deno.readDirSync(".")].map((entry) => entry.name);
    listener.close();
    await Deno.chmod(directory, 0o755);
    const why = await listenLocal("ngrokd.sock").then(() => "it was opened", (error) => error.message);
    console.log(JSON.stringify([names, why]));
    await Deno.remove(directory, { recursive: true });`,
    { permissions: ["-A"] },
  );
  assert.deepEqual(JSON.parse(stdout || "null"), [
    ["ngrokd.sock"],
    "Cannot bind ngrokd.sock: other users can enter the directory .",
  ], stderr);
});
