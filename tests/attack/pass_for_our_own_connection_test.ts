import assert from "node:assert/strict";
import { connectReserved } from "../../src/system/connect_reserved.ts";
import { connectTcp } from "../../src/system/tcp.ts";
import { runProgram } from "../root/commands.ts";
import { rootTests } from "../root/test_root.ts";

const test = rootTests(import.meta.url);
const SCRIPT = new URL("pass_for_our_own_connection.py", import.meta.url).pathname;
const LOCALHOST = "127.0.0.1";

// A program that got the connection could let another one arrive where ours was expected.
test("no ordinary user can connect from the source of a connection that checks a redirect", async () => {
  using held = Deno.listen({ hostname: LOCALHOST, port: 0 });
  using listener = Deno.listen({ hostname: LOCALHOST, port: 0 });
  for (const [connect, canForge] of [[connectTcp, true], [connectReserved, false]] as const) {
    const own = await connect({ address: LOCALHOST, port: held.addr.port }, AbortSignal.timeout(5000));
    using accepted = await held.accept();
    const { hostname, port } = accepted.remoteAddr;
    assert.equal(own.source, `${hostname}:${port}`);
    const argv = [
      "/usr/bin/python3",
      "-c",
      await Deno.readTextFile(SCRIPT),
      hostname,
      `${port}`,
      `${listener.addr.port}`,
    ];
    const { code, stdout, stderr } = await runProgram(argv);
    assert.equal(code, 0, stderr);
    assert.equal(stdout.includes("forged"), canForge, stdout);
    own.close();
  }
});

test("a reserved port that another connection has is not the end of a check", async () => {
  using listener = Deno.listen({ hostname: LOCALHOST, port: 0 });
  const where = { address: LOCALHOST, port: listener.addr.port };
  const own = await Promise.all(
    Array.from({ length: 200 }, () => connectReserved(where, AbortSignal.timeout(5000))),
  );
  assert.equal(new Set(own.map(({ source }) => source)).size, 200);
  for (const each of own) each.close();
});

test("a connection from a reserved port ends with an error or the signal's reason", async () => {
  const closed = Deno.listen({ hostname: LOCALHOST, port: 0 });
  const where = { address: LOCALHOST, port: closed.addr.port };
  closed.close();
  await assert.rejects(connectReserved(where, AbortSignal.timeout(5000)), /ECONNREFUSED/);
  await assert.rejects(connectReserved(where, AbortSignal.abort(new Error("over"))), /over/);
});
